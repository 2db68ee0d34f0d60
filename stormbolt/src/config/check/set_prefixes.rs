//! The prefixes of a set, of which there may be a million.

use ipnet::IpNet;
use stormbolt_control::policy::MAX_SET_PREFIXES;
use toml::de::{DeArray, DeValue};

use crate::config::diagnostic::{Problem, Problems, Span};
use crate::config::prefixes::{host_bits, parse};
use crate::config::section::kind;

/// Prefixes with host bits that are pointed at in one list; the others are counted.
const MAX_POINTED_AT: usize = 8;

/// Prefixes as they are read, and whether there are too many.
pub(super) struct Prefixes<'n> {
    set: &'n str,
    list: Vec<IpNet>,
    too_many: bool,
}

/// Prefixes with host bits in one list or text.
#[derive(Default)]
struct HostBits {
    count: usize,
    last: Span,
}

impl<'n> Prefixes<'n> {
    pub(super) fn new(set: &'n str) -> Self {
        Self {
            set,
            list: Vec::new(),
            too_many: false,
        }
    }

    /// Reads a list of strings.
    pub(super) fn read_list(&mut self, values: DeArray<'_>, problems: &mut Problems) {
        let mut host_bits = HostBits::default();
        for value in values {
            let span = value.span();
            if let DeValue::String(text) = value.get_ref() {
                self.read_one(text, span, &mut host_bits, problems);
            } else {
                refuse(value.get_ref(), span, problems);
            }
        }
        self.count_host_bits(&host_bits, problems);
    }

    /// Reads a string with one prefix or address a line; `raw` is how it is written at `at`.
    pub(super) fn read_text(&mut self, text: &str, raw: &str, at: &Span, problems: &mut Problems) {
        // Behind the quotes, and the line break that TOML takes for part of them. Where escapes
        // make the text another than what is written, the whole is pointed at.
        let begins = |&offset: &usize| raw.get(offset..).is_some_and(|raw| raw.starts_with(text));
        let begin = [1, 3, 4, 5].into_iter().find(begins);
        self.each_line(text, problems, |offset, length| match begin {
            Some(begin) => {
                let start = at.start + begin + offset;
                start..start + length
            }
            None => at.clone(),
        });
    }

    /// Reads a text of its own with one prefix or address a line.
    pub(super) fn read_lines(&mut self, text: &str, problems: &mut Problems) {
        self.each_line(text, problems, |offset, length| offset..offset + length);
    }

    /// Reads entries that stand on lines of their own, where nothing is a comment.
    pub(super) fn read_entries(&mut self, entries: &[String], problems: &mut Problems) {
        let mut host_bits = HostBits::default();
        let mut start = 0;
        for entry in entries {
            let at = start..start + entry.len();
            start = at.end + 1;
            self.read_one(entry, at, &mut host_bits, problems);
        }
        self.count_host_bits(&host_bits, problems);
    }

    /// The prefixes in order, each once; `None` if there are more than a set may have.
    pub(super) fn finish(mut self) -> Option<Vec<IpNet>> {
        self.list.sort_unstable();
        self.list.dedup();
        let fits = !self.too_many && self.list.len() <= MAX_SET_PREFIXES;
        fits.then_some(self.list)
    }

    /// Reads lines; `place` says where so many bytes from an offset on stand.
    fn each_line(
        &mut self,
        text: &str,
        problems: &mut Problems,
        place: impl Fn(usize, usize) -> Span,
    ) {
        let mut host_bits = HostBits::default();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let written = line.split('#').next().unwrap_or_default();
            let given = written.trim();
            if !given.is_empty() {
                let indent = written.len() - written.trim_start().len();
                let at = place(start + indent, given.len());
                self.read_one(given, at, &mut host_bits, problems);
            }
            start += line.len();
        }
        self.count_host_bits(&host_bits, problems);
    }

    fn read_one(
        &mut self,
        text: &str,
        at: Span,
        with_host_bits: &mut HostBits,
        problems: &mut Problems,
    ) {
        match parse(text) {
            Ok(net) => {
                let masked = net.trunc();
                if masked != net {
                    with_host_bits.count += 1;
                    if with_host_bits.count <= MAX_POINTED_AT {
                        problems.add(host_bits(text, masked).warning(at.clone()));
                    }
                    with_host_bits.last = at;
                }
                self.push(masked);
            }
            Err(fault) => problems.add_error(|| fault().error(at)),
        }
    }

    fn push(&mut self, prefix: IpNet) {
        // Duplicates do not count, but do not fill the memory either.
        if self.list.len() >= 2 * MAX_SET_PREFIXES {
            self.list.sort_unstable();
            self.list.dedup();
            if self.list.len() > MAX_SET_PREFIXES {
                self.too_many = true;
                self.list.truncate(MAX_SET_PREFIXES);
            }
        }
        self.list.push(prefix);
    }

    fn count_host_bits(&self, host_bits: &HostBits, problems: &mut Problems) {
        let more = host_bits.count.saturating_sub(MAX_POINTED_AT);
        if more > 0 {
            let message = format!(
                "{more} more prefixes of set `{}` have host bits set",
                self.set
            );
            let problem = Problem::warning(host_bits.last.clone(), message);
            problems.add(
                problem
                    .label("the last of them")
                    .help("they are read without; duplicates that this makes count once"),
            );
        }
    }
}

/// Reports what is not a string.
pub(super) fn refuse(value: &DeValue<'_>, at: Span, problems: &mut Problems) {
    problems.add_error(|| {
        let message = format!("a prefix cannot be {}", kind(value));
        Problem::error(at, message).help("put it into quotes: \"192.0.2.0/24\"")
    });
}
