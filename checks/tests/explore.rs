//! `glock explore`: its page in a browser, stateright's addresses, and requests that are none.

#[path = "../../traces/tests/support/browser.rs"]
mod browser;

use browser::Browser;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server of a cell, and where it listens.
struct Explorer {
    child: Child,
    host: String,
}

impl Explorer {
    fn start(design: &str, scenario: &str) -> Explorer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_glock"))
            .args([
                "explore",
                "-d",
                design,
                "-s",
                scenario,
                "--address",
                "127.0.0.1:0",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("glock starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let line = stdout.lines().next().expect("a line").expect("text");
        let host = line
            .strip_prefix("http://")
            .and_then(|l| l.split(' ').next());
        let host = host.expect("it says where it listens").to_owned();
        Explorer { child, host }
    }

    /// The answer to some bytes: its status and its body.
    fn answer(&self, request: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.host).expect("it listens");
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).expect("a timeout");
        // It may have heard enough before all is sent.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let head = answer.windows(4).position(|w| w == b"\r\n\r\n");
        let head = head.unwrap_or(answer.len());
        let text = String::from_utf8_lossy(&answer[..head]);
        let status = text.split(' ').nth(1).and_then(|s| s.parse().ok());
        (
            status.unwrap_or(0),
            answer.split_off((head + 4).min(answer.len())),
        )
    }

    fn request(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let host = &self.host;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        self.answer(format!("{head}Content-Length: 0\r\n\r\n").as_bytes())
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.request("GET", path);
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{path}: {e}"))
    }
}

impl Drop for Explorer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_addresses_of_stateright_explorer_answer() {
    let explorer = Explorer::start("base", "race-direct-read");
    let status = explorer.json("/.status");
    for key in [
        "done",
        "model",
        "state_count",
        "unique_state_count",
        "max_depth",
        "properties",
    ] {
        assert!(!status[key].is_null(), "{key}: {status}");
    }
    let property = &status["properties"][0];
    assert!(
        property[0].is_string() && property[1].is_string(),
        "{property}"
    );
    let starts = explorer.json("/.states");
    assert!(starts[0]["state"].as_str().is_some_and(|s| s.len() > 100));
    assert_eq!(starts[0]["actionIndex"], 0);
    let next = explorer.json("/.states/0");
    assert!(next[0]["action"].is_string() && next[0]["fingerprint"].is_string());
    assert!(
        next[0]["svg"]
            .as_str()
            .is_some_and(|s| s.starts_with("<svg"))
    );
    assert!(
        explorer
            .json("/.states/0/0/0/")
            .as_array()
            .is_some_and(|a| !a.is_empty())
    );
    assert_eq!(explorer.request("POST", "/.runtocompletion").0, 200);
    let began = Instant::now();
    loop {
        let status = explorer.json("/.status");
        if status["done"] == true {
            // The deadlock is found, with the way to it.
            let found = status["properties"].as_array().expect("properties");
            let deadlock = found.iter().find(|p| p[1] == "no-deadlock").expect("known");
            assert!(deadlock[2].is_string(), "{deadlock}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn every_step_that_is_possible_can_be_taken() {
    let explorer = Explorer::start("base", "race-direct-read");
    let mut way = "/.glock/walk/0".to_owned();
    let mut steps = 0;
    loop {
        let place = explorer.json(&way);
        assert_eq!(
            place["record"]["steps"].as_array().map(Vec::len),
            Some(steps)
        );
        let choices = place["choices"].as_array().expect("choices");
        let Some(last) = choices.len().checked_sub(1) else {
            break;
        };
        assert_eq!(choices[last]["index"], last);
        way += &format!("/{last}");
        steps += 1;
        assert!(steps < 500, "no end");
    }
    assert!(steps > 5, "{steps}");
}

#[test]
fn a_counterexample_can_be_jumped_to() {
    let explorer = Explorer::start("base", "race-direct-read");
    let began = Instant::now();
    let found = loop {
        let found = explorer.json("/.glock/found");
        if found["found"].as_array().is_some_and(|f| !f.is_empty()) {
            break found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{found}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let deadlock = &found["found"][0];
    assert_eq!(deadlock["property"], "no-deadlock");
    assert_eq!(deadlock["text"], "violated in 8 steps");
    let way: Vec<String> = deadlock["path"]
        .as_array()
        .expect("a way")
        .iter()
        .map(|n| format!("/{n}"))
        .collect();
    let place = explorer.json(&format!("/.glock/walk{}", way.concat()));
    assert!(
        place["choices"].as_array().is_some_and(Vec::is_empty),
        "nobody moves any more"
    );
}

#[test]
fn requests_that_are_none_do_no_harm() {
    let explorer = Explorer::start("base", "race-direct-read");
    let long = "9".repeat(1 << 20);
    for (path, expected) in [
        ("/.states/x", 404),
        ("/.states/0/999", 404),
        ("/.states/-1", 404),
        ("/.states/99999999999999999999999", 404),
        ("/.glock/walk", 404),
        ("/.glock/walk/0/999", 404),
        ("/.glock/walk/999", 404),
        ("/../../etc/passwd", 404),
        ("/%2e%2e/etc/passwd", 404),
        ("/app.js", 404),
    ] {
        assert_eq!(explorer.request("GET", path).0, expected, "{path}");
    }
    assert_eq!(explorer.request("DELETE", "/").0, 405);
    assert_eq!(explorer.request("POST", "/").0, 404);
    for garbage in [
        &b""[..],
        b"\r\n\r\n",
        b"GET",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nx",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /.status HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        &b"A".repeat(1 << 20),
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes(),
    ] {
        let (status, _) = explorer.answer(garbage);
        assert!(status == 0 || status >= 200, "{status}");
    }
    // A page elsewhere whose name was made to lead here.
    let (status, _) = explorer
        .answer(b"GET /.status HTTP/1.1\r\nHost: evil.example:3000\r\nConnection: close\r\n\r\n");
    assert_eq!(status, 403);
    assert_eq!(explorer.json("/.status")["properties"][0][1], "no-deadlock");
}

#[test]
fn somebody_looks_around_with_the_page() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let explorer = Explorer::start("base", "race-direct-read");
    browser.open(&format!("http://{}/", explorer.host));
    let choices = "document.querySelectorAll('button.choice').length";
    browser.until(&format!("{choices} > 1"));
    browser.value("document.querySelectorAll('button.choice')[0].click()");
    browser.until("view.history.length === 1");
    assert_eq!(
        browser.value("document.querySelectorAll('tr[aria-current=step] th')[0].textContent"),
        "1"
    );
    browser.value("document.querySelectorAll('button.choice')[1].click()");
    browser.until("view.history.length === 2");
    // Back, and on to the deadlock.
    let button = |text: &str| {
        format!(
            "[...document.querySelectorAll('#choices button')].find(b => b.textContent.startsWith('{text}'))"
        )
    };
    browser.value(&format!("{}.click()", button("take the last")));
    browser.until("view.history.length === 1");
    let deadlock = button("no-deadlock");
    let began = Instant::now();
    while browser.value(&format!("Boolean({deadlock})")) != true {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "no counterexample is offered"
        );
        browser.value(&format!("{}.click()", button("jump to")));
        std::thread::sleep(Duration::from_millis(200));
    }
    browser.value(&format!("{deadlock}.click()"));
    browser.until("view.history.length === 8");
    assert!(
        browser
            .value("document.querySelectorAll('svg .edge.cycle').length")
            .as_u64()
            > Some(1)
    );
    assert_eq!(browser.value(choices), 0);
    assert_eq!(browser.errors(), Vec::<String>::new());
    let here = format!("http://{}/", explorer.host);
    let outside = |url: &String| !url.starts_with(&here) && !url.starts_with("about:");
    let left: Vec<String> = browser.requests().into_iter().filter(outside).collect();
    assert_eq!(left, Vec::<String>::new());
}
