//! The page in a real browser. Skipped, with a word, where there is none.

#[path = "support/browser.rs"]
mod browser;
mod support;

use base64::Engine;
use browser::Browser;
use glock_model::property::Property;
use glock_traces::{Form, Matrix, MatrixCell, MatrixVerdict, Record, Style, report};
use std::path::Path;
use std::time::Instant;
use support::{every_start, first_start, shortest, walk};

fn deadlock() -> Record {
    let cluster = first_start("race-direct-read-two-nodes", "base");
    let history = shortest(&cluster, Property::NoDeadlock).expect("a deadlock");
    let mut record = Record::new(&history, Some(Property::NoDeadlock));
    record.verdict = format!("violated in {} steps", record.steps.len());
    record
}

/// A record whose last two steps repeat, as far as the page can tell.
fn lasso() -> Record {
    let mut record = deadlock();
    record.repeats_from = Some(record.steps.len() - 2);
    record
}

fn html(record: &Record) -> String {
    Form::Html.of(record, Style::TERMINAL)
}

/// A file with a page, and its address.
struct Page {
    folder: tempfile::TempDir,
}

impl Page {
    fn of(html: &str) -> Page {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("page.html"), html).expect("a file");
        Page { folder }
    }

    fn address(&self) -> String {
        format!("file://{}/page.html", self.folder.path().display())
    }
}

/// Nothing went wrong, and nothing was asked for but pages on the disk.
fn is_quiet(browser: &Browser) {
    assert_eq!(browser.errors(), Vec::<String>::new());
    let outside = |url: &String| !url.starts_with("file://") && !url.starts_with("about:");
    let left: Vec<String> = browser.requests().into_iter().filter(outside).collect();
    assert_eq!(left, Vec::<String>::new());
}

/// Keeps a picture for somebody to look at, if asked.
fn keep(browser: &mut Browser, name: &str) {
    if let Some(folder) = std::env::var_os("GLOCK_PICTURES") {
        let engine = base64::engine::general_purpose::STANDARD;
        let png = engine.decode(browser.picture()).expect("base64");
        let path = Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(path, png).expect("a picture");
    }
}

const STEP: &str = "document.querySelector('.bar input[type=number]').value";

#[test]
fn a_page_is_small_and_forbids_all_but_itself() {
    let cluster = every_start("race-buffered-write-two-nodes", "fault-in-retry");
    let history = walk(&cluster, 0, &[3; 50]);
    let mut record = Record::new(&history, None);
    let steps: Vec<_> = record.steps.iter().cycle().take(50).cloned().collect();
    record.steps = steps;
    let html = html(&record);
    assert!(html.len() < 300 << 10, "{} bytes", html.len());
    let policy = "default-src 'none'; script-src 'sha256-";
    assert!(html.contains(policy));
    for word in [
        "unsafe-inline",
        "http://",
        "https://",
        "src=",
        "@import",
        "innerHTML",
        "eval(",
    ] {
        let found = html.matches(word).count();
        // The name of SVG is no address.
        let names = if word == "http://" { 1 } else { 0 };
        assert_eq!(found, names, "{word}");
    }
}

#[test]
fn somebody_steps_through_a_deadlock() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let record = deadlock();
    let last = record.steps.len();
    let page = Page::of(&html(&record));
    browser.size(1200, 900);
    browser.open(&page.address());
    let title = browser.value("document.title");
    assert_eq!(title, "no-deadlock: race-direct-read-two-nodes under base");
    assert_eq!(browser.value(STEP), "0");
    // By key.
    for _ in 0..3 {
        browser.key("ArrowRight");
    }
    assert_eq!(browser.value(STEP), "3");
    assert_eq!(browser.value("location.hash"), "#step=3");
    browser.key("ArrowLeft");
    assert_eq!(browser.value(STEP), "2");
    let marked = "document.querySelectorAll('tr[aria-current=step]').length";
    assert_eq!(browser.value(marked), 1);
    browser.key("End");
    assert_eq!(browser.value(STEP), last.to_string());
    // The circle is marked, and only there.
    let arrows = "document.querySelectorAll('svg .edge.cycle').length";
    assert_eq!(browser.value(arrows), record.cycle.len());
    keep(&mut browser, "deadlock-1200");
    browser.key("Home");
    assert_eq!(browser.value(arrows), 0);
    // By address.
    browser.open(&format!("{}#step=5", page.address()));
    assert_eq!(browser.value(STEP), "5");
    browser.value("location.hash = 'step=7'");
    browser.until(&format!("{STEP} === '7'"));
    // What is nowhere is the last step there is.
    browser.value("location.hash = 'step=99999'");
    browser.until(&format!("{STEP} === '{last}'"));
    browser.value("location.hash = 'step=nonsense'");
    browser.until(&format!("{STEP} === '0'"));
    // By search.
    browser.key("/");
    let search = "document.activeElement === document.querySelector('input[type=search]')";
    assert_eq!(browser.value(search), true);
    for letter in ["q", "u", "e", "u", "e", "d"] {
        browser.key(letter);
    }
    let typed = "document.querySelector('input[type=search]').value";
    assert_eq!(browser.value(typed), "queued");
    browser.key("Enter");
    let queued = record
        .steps
        .iter()
        .position(|s| record.lines_of(s).any(|l| l.text().contains("queued")));
    let queued = queued.expect("a request is queued") + 1;
    assert_eq!(browser.value(STEP), queued.to_string());
    is_quiet(&browser);
}

#[test]
fn every_pane_says_what_the_record_says() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let record = deadlock();
    let page = Page::of(&html(&record));
    browser.open(&page.address());
    browser.value("document.querySelector('#all-title, summary').click()");
    browser.value("view.everything.open = true");
    let mut walker = record.walk();
    for step in 0..=record.steps.len() {
        walker.go_to(step);
        browser.value(&format!("view.go({step}); view.all()"));
        let shown = browser.value(
            "[...document.querySelectorAll('details table.state tr')]\
             .map(r => [r.children[0].textContent, r.children[1].textContent])",
        );
        let told: Vec<serde_json::Value> = walker
            .values()
            .map(|(variable, value)| serde_json::json!([variable.to_string(), value.to_string()]))
            .collect();
        assert_eq!(shown, serde_json::json!(told), "after {step} steps");
    }
    // The line at which each task stands is marked in the design.
    let marked = browser
        .value("[...document.querySelectorAll('.source li.here .badge')].map(b => b.textContent)");
    let marked = marked.to_string();
    assert!(marked.contains("P1") && marked.contains("P2"), "{marked}");
    is_quiet(&browser);
}

#[test]
fn a_loop_is_drawn_as_one_and_goes_round() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let record = lasso();
    let (start, last) = (record.steps.len() - 2, record.steps.len());
    let page = Page::of(&html(&record));
    browser.open(&format!("{}#step={last}", page.address()));
    let period = "document.querySelector('svg[data-period]').getAttribute('data-period')";
    assert_eq!(browser.value(period), "2");
    browser.key("ArrowRight");
    assert_eq!(browser.value(STEP), (start + 1).to_string());
    browser.value("document.activeElement.blur()");
    browser.key(" ");
    browser.until(&format!("{STEP} !== '{}'", start + 1));
    browser.key(" ");
    keep(&mut browser, "lasso");
    is_quiet(&browser);
}

#[test]
fn it_is_readable_in_the_dark_and_on_a_phone() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::of(&html(&deadlock()));
    let ground = "getComputedStyle(document.body).backgroundColor";
    browser.size(1200, 900);
    browser.scheme("light");
    browser.open(&format!("{}#step=9", page.address()));
    assert_eq!(browser.value(ground), "rgb(255, 255, 255)");
    browser.scheme("dark");
    assert_eq!(browser.value(ground), "rgb(21, 23, 27)");
    keep(&mut browser, "dark-1200");
    browser.scheme("light");
    for width in [360, 412, 768, 1200] {
        browser.size(width, 800);
        browser.open(&format!("{}#step=9", page.address()));
        let wide = browser.value("document.documentElement.scrollWidth");
        assert!(wide.as_u64() <= Some(width.into()), "{wide} at {width}");
        keep(&mut browser, &format!("width-{width}"));
    }
    is_quiet(&browser);
}

#[test]
fn everything_has_a_name_and_can_be_reached_by_keyboard() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::of(&html(&deadlock()));
    browser.open(&page.address());
    let nameless = browser.value(
        "[...document.querySelectorAll('button, input, select, svg, nav')].filter(e => \
         !(e.getAttribute('aria-label') || e.textContent.trim())).length",
    );
    assert_eq!(nameless, 0);
    let polite = "document.querySelector('[aria-live=polite]').textContent";
    browser.key("ArrowRight");
    let told = browser.value(polite).to_string();
    assert!(told.contains("Step 1 of"), "{told}");
    let tabbed = browser
        .value("[...document.querySelectorAll('button, input')].every(e => e.tabIndex >= 0)");
    assert_eq!(tabbed, true);
    is_quiet(&browser);
}

/// A record may say whatever it likes; it is shown, and does nothing.
#[test]
fn a_hostile_record_runs_no_script() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let evil = "</script><script>window.owned = 1</script><img src=x onerror='window.owned = 2'>";
    let mut record = deadlock();
    record.verdict = evil.into();
    record.meaning = evil.into();
    record.command = Some(evil.into());
    record.initially = evil.into();
    record.closing = vec![evil.into()];
    record.design.name = evil.into();
    record.scenario.name = evil.into();
    record.scenario.text[0] = evil.into();
    record.cycle = vec![evil.into()];
    for source in &mut record.design.sources {
        source.text[0] = evil.into();
    }
    for actor in &mut record.actors {
        actor.name = evil.into();
        actor.operation = Some("<svg onload=window.owned=3>".into());
    }
    for line in &mut record.lines {
        line.call = evil.into();
    }
    for message in &mut record.messages {
        message.text = "javascript:window.owned=4".into();
    }
    for value in &mut record.values {
        if let glock_traces::Value::Text(text) = value {
            *text = evil.into();
        }
    }
    for variable in &mut record.variables {
        variable.row = format!("{evil}{}", variable.row);
    }
    let record = Record::from_bytes("evil.json", record.to_text().as_bytes());
    let html = html(&record.expect("text is text"));
    assert_eq!(
        html.matches("<script").count(),
        2,
        "the data and the page's own"
    );
    let page = Page::of(&html);
    browser.open(&page.address());
    for step in 0..5 {
        browser.value(&format!("view.go({step})"));
    }
    assert_eq!(browser.value("window.owned === undefined"), true);
    assert_eq!(
        browser.value("document.querySelectorAll('img, iframe, object').length"),
        0
    );
    is_quiet(&browser);
    // Even where something gets into the document, the policy stops it.
    browser.value(
        "{ const s = document.createElement('script'); s.textContent = 'window.owned = 5'; \
         document.body.append(s); const d = document.createElement('div'); \
         d.innerHTML = '<img src=http://127.0.0.1:9/x onerror=\"window.owned = 6\">'; \
         document.body.append(d); 0 }",
    );
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(browser.value("window.owned === undefined"), true);
    assert!(
        !browser.errors().is_empty(),
        "the policy says that it refused"
    );
}

#[test]
fn a_history_of_10_000_steps_opens_and_steps() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let cluster = every_start("race-buffered-write-two-nodes", "fault-in-retry");
    let mut record = Record::new(&walk(&cluster, 0, &[3; 400]), None);
    let steps: Vec<_> = record.steps.iter().cycle().take(10_000).cloned().collect();
    record.steps = steps;
    let page = Page::of(&html(&record));
    browser.open("about:blank#");
    let began = Instant::now();
    browser.open(&page.address());
    let opened = began.elapsed();
    println!("opened in {opened:?}");
    let took = "{ const t = performance.now(); view.go(N); document.body.offsetHeight; performance.now() - t }";
    for step in ["1", "9999", "10000", "5000", "5001"] {
        let took = browser.value(&took.replace('N', step));
        assert!(took.is_number(), "{took}");
        println!("step {step} in {took} ms");
    }
    is_quiet(&browser);
}

#[test]
fn a_matrix_leads_to_the_histories_behind_its_cells() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let record = deadlock();
    let verdict = |property: &str, verdict: &str, record| MatrixVerdict {
        property: property.into(),
        demanded: true,
        verdict: verdict.into(),
        text: "violated in 16 steps".into(),
        record,
    };
    let cell = |design: &str, verdicts| MatrixCell {
        design: design.into(),
        scenario: record.scenario.name.clone(),
        states: 12,
        exhaustive: true,
        verdicts,
    };
    let matrix = Matrix {
        title: "Two designs".into(),
        designs: vec!["base".into(), "pin-first".into()],
        scenarios: vec![record.scenario.name.clone()],
        cells: vec![
            cell("base", vec![verdict("no-deadlock", "violated", Some(0))]),
            cell("pin-first", vec![verdict("no-deadlock", "holds", None)]),
        ],
    };
    let page = Page::of(&report(&matrix, std::slice::from_ref(&record)));
    browser.open(&page.address());
    assert_eq!(
        browser.value("document.querySelectorAll('.report td').length"),
        2
    );
    assert_eq!(
        browser.value("document.querySelectorAll('.report td .good').length"),
        1
    );
    browser.value("document.querySelector('.report td a').click()");
    browser.until("document.title.startsWith('no-deadlock')");
    browser.key("ArrowRight");
    assert_eq!(browser.value("location.hash"), "#record=0&step=1");
    browser.value("location.hash = ''");
    browser.until("document.title === 'Two designs'");
    is_quiet(&browser);
}
