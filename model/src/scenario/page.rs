//! Pages of user memory: what a buffer entry says, and which entries mean the
//! same page.

use super::error::Source;
use super::task::Place;
use super::value::{Fields, Read, Value};
use super::*;
use std::ops::Range;

const KINDS: [&str; 7] = ["shared", "private", "anon", "served", "bad", "zero", "io"];
const KEYS: [&str; 10] = [
    "shared", "private", "anon", "served", "bad", "zero", "io", "page", "pte", "id",
];
const PTES: [(&str, Pte); 3] = [("none", Pte::None), ("ro", Pte::Ro), ("rw", Pte::Rw)];
pub(super) const ANON: [(&str, Pte); 3] = [
    ("present", Pte::Rw),
    ("absent", Pte::None),
    ("unmarked", Pte::Ro),
];

/// What makes two entries of one address space the same page.
#[derive(PartialEq, Eq)]
enum Identity {
    /// The same `id`.
    Id(String),
    /// The same page of the same mapping.
    Mapping(VpageKind),
    /// Nothing does: a page of its own.
    Own,
}

/// The pages found so far.
#[derive(Default)]
pub(super) struct Pages {
    pub(super) specs: Vec<VpageSpec>,
    /// Where the initial PTE of each is written; where the page is, if nowhere.
    pub(super) spans: Vec<Range<usize>>,
    identities: Vec<Identity>,
    /// Has its `pte` been written?
    written: Vec<bool>,
}

/// One entry of a buffer.
struct Entry {
    identity: Identity,
    kind: VpageKind,
    initial: Option<Vec<Pte>>,
    span: Range<usize>,
    pte_span: Range<usize>,
}

impl Pages {
    /// The index of the page that an entry of a buffer in address space `mm`
    /// names.
    pub(super) fn read<'a>(
        &mut self,
        source: Source<'a>,
        value: &'a Value<'a>,
        mm: u8,
        place: &Place,
    ) -> Read<u8> {
        let entry = read_entry(source, value, place)?;
        let mut known = (0..self.specs.len()).filter(|i| self.specs[*i].mm == mm);
        let found = known
            .find(|i| entry.identity != Identity::Own && self.identities[*i] == entry.identity);
        match found {
            Some(index) => self.merge(source, index, entry),
            None => self.add(source, mm, entry),
        }
    }

    /// A second entry for a page: it must agree with the first.
    fn merge(&mut self, source: Source, index: usize, entry: Entry) -> Read<u8> {
        let spec = &mut self.specs[index];
        if spec.kind != entry.kind {
            return Err(source
                .error(
                    entry.span,
                    "an earlier entry with this `id` is another page",
                )
                .label("differs")
                .help("one `id` is one page: say the same, or take another `id`"));
        }
        if let Some(initial) = entry.initial {
            if self.written[index] && !same_set(&spec.initial, &initial) {
                return Err(source
                    .error(entry.pte_span, "this page has other initial entries above")
                    .label("differs")
                    .help("it is one page of one address space: say it once, or the same"));
            }
            if !self.written[index] {
                spec.initial = initial;
                self.spans[index] = entry.pte_span;
                self.written[index] = true;
            }
        }
        Ok(index as u8)
    }

    fn add(&mut self, source: Source, mm: u8, entry: Entry) -> Read<u8> {
        if self.specs.len() == MAX_VPAGES {
            return Err(source
                .error(
                    entry.span,
                    format!("there are more than {MAX_VPAGES} pages of user memory"),
                )
                .label("one too many")
                .help("shorten the buffers, or let tasks share pages with `mm`"));
        }
        self.written.push(entry.initial.is_some());
        self.specs.push(VpageSpec {
            mm,
            kind: entry.kind,
            initial: entry.initial.unwrap_or_else(|| vec![Pte::None]),
        });
        self.spans.push(entry.pte_span);
        self.identities.push(entry.identity);
        Ok(self.specs.len() as u8 - 1)
    }
}

fn same_set(a: &[Pte], b: &[Pte]) -> bool {
    a.len() == b.len() && a.iter().all(|p| b.contains(p))
}

fn read_entry<'a>(source: Source<'a>, value: &'a Value<'a>, place: &Place) -> Read<Entry> {
    let Some(table) = value.get_ref().as_table() else {
        return Err(source
            .mismatch(value, "buffer", "a list of pages")
            .help(EXAMPLES));
    };
    let fields = Fields::new(source, table, value.span(), "a page", &KEYS)?;
    let kinds: Vec<_> = KINDS
        .into_iter()
        .filter(|k| fields.get(k).is_some())
        .collect();
    let [kind] = kinds[..] else {
        let message = match kinds.len() {
            0 => "this does not say what the page is".to_string(),
            _ => "a page is one thing only".to_string(),
        };
        return Err(source.error(value.span(), message).help(EXAMPLES));
    };
    let (kind, initial) = match kind {
        "shared" | "private" => read_mapping(source, &fields, kind, place)?,
        "io" => {
            not_mapped(&fields, "device memory")?;
            let value = fields.need("io", "io = \"present\"")?;
            (VpageKind::Io, Some(source.words(value, "io", &ANON[..2])?))
        }
        "anon" => {
            not_mapped(&fields, "an anonymous page")?;
            let value = fields.need("anon", "anon = \"present\"")?;
            (VpageKind::Anon, Some(source.words(value, "anon", &ANON)?))
        }
        "served" => {
            not_mapped(&fields, "a page that a task serves")?;
            let value = fields.need("served", "served = \"P2\"")?;
            (place.server(value)?, None)
        }
        _ => {
            let (kind_is, what) = match kind {
                "zero" => (VpageKind::Zero, "the zero page"),
                _ => (VpageKind::Bad, "a bad page"),
            };
            not_mapped(&fields, what)?;
            if !fields.boolean(kind, true)? {
                let span = fields.need(kind, "bad = true")?.span();
                return Err(source
                    .error(span, "this does not say what the page is")
                    .help(EXAMPLES));
            }
            (kind_is, None)
        }
    };
    let identity = match (fields.name("id")?, kind) {
        (Some(id), _) => Identity::Id(id.to_string()),
        (None, VpageKind::Shared { .. } | VpageKind::Private { .. }) => Identity::Mapping(kind),
        (None, _) => Identity::Own,
    };
    let pte = fields.get("pte").or(fields.get("anon"));
    let pte = pte.or(fields.get("io"));
    Ok(Entry {
        identity,
        kind,
        initial,
        span: value.span(),
        pte_span: pte.map_or(value.span(), |v| v.span()),
    })
}

fn read_mapping<'a>(
    source: Source<'a>,
    fields: &Fields<'a>,
    kind: &str,
    place: &Place,
) -> Read<(VpageKind, Option<Vec<Pte>>)> {
    let file = place.file(fields.need(kind, "shared = \"F1\"")?, kind)?;
    // One page beyond the largest file is as far beyond the end as any.
    let page = fields.integer("page", 0..=MAX_PAGES as u8, 0)?;
    let pte = fields.get("pte");
    let initial = pte.map(|v| source.words(v, "pte", &PTES)).transpose()?;
    let kind = match kind {
        "shared" => VpageKind::Shared { file, page },
        _ => VpageKind::Private { file, page },
    };
    Ok((kind, initial))
}

fn not_mapped(fields: &Fields, what: &str) -> Read<()> {
    fields.refuse(
        "page",
        &format!("is for mappings, not for {what}"),
        "leave it out",
    )?;
    fields.refuse(
        "pte",
        &format!("is for mappings, not for {what}"),
        "anonymous memory is `anon = \"present\"` or `anon = \"absent\"`",
    )
}

const EXAMPLES: &str = "a page is `{ shared = \"F2\", page = 0 }`, `{ private = \"F2\" }`, \
                        `{ anon = \"present\" }`, `{ served = \"P2\" }` or `{ bad = true }`";
