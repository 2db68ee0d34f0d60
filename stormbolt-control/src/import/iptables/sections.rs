//! Tables and chains, before their rules are read.

use std::collections::BTreeMap;

use super::sets::Sets;
use super::words::words;
use crate::import::addresses::Family;
use crate::import::builder::Builder;

/// One table of one version of IP.
#[derive(Debug)]
pub(super) struct Section {
    /// Line that begins it.
    pub(super) line: usize,
    pub(super) table: String,
    pub(super) family: Family,
    /// Whether nothing says which version of IP it is about.
    pub(super) is_guess: bool,
    /// Line, chain and policy.
    pub(super) policies: Vec<(usize, String, String)>,
    /// Names in the order of their first rules.
    names: Vec<String>,
    chains: BTreeMap<String, Vec<Rule>>,
}

/// One line `-A CHAIN …`.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) line: usize,
    /// What stands behind the name of the chain.
    pub(super) words: Vec<String>,
}

impl Rule {
    /// What it jumps or goes to.
    pub(super) fn target(&self) -> Option<&str> {
        let mut words = self.words.iter().map(String::as_str);
        words.find(|word| matches!(*word, "-j" | "--jump" | "-g" | "--goto"))?;
        words.next()
    }
}

impl Section {
    fn new(line: usize, table: &str, family: Option<Family>) -> Self {
        Self {
            line,
            table: table.to_owned(),
            family: family.unwrap_or(Family::Ipv4),
            is_guess: family.is_none(),
            policies: Vec::new(),
            names: Vec::new(),
            chains: BTreeMap::new(),
        }
    }

    pub(super) fn chain_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    pub(super) fn chain(&self, name: &str) -> &[Rule] {
        self.chains.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn has_chain(&self, name: &str) -> bool {
        self.chains.contains_key(name)
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.chains.values().flatten()
    }

    fn append(&mut self, chain: &str, rule: Rule) {
        if let Some(family) = family_of(&rule.words).filter(|_| self.is_guess) {
            self.family = family;
            self.is_guess = false;
        }
        let rules = self.chains.entry(chain.to_owned()).or_default();
        // Only now: chains are declared before, in no meaningful order.
        if rules.is_empty() {
            self.names.push(chain.to_owned());
        }
        rules.push(rule);
    }
}

/// Which version of IP the addresses of a rule have.
fn family_of(words: &[String]) -> Option<Family> {
    let address = |pair: &[String]| match pair {
        [option, value] if matches!(option.as_str(), "-s" | "-d") => Some(if value.contains(':') {
            Family::Ipv6
        } else {
            Family::Ipv4
        }),
        [option, value] if option == "-p" => match value.as_str() {
            "ipv6-icmp" | "icmpv6" | "icmp6" => Some(Family::Ipv6),
            "icmp" => Some(Family::Ipv4),
            _ => None,
        },
        _ => None,
    };
    // `! -s address` is `-s address` behind a word.
    words.windows(2).find_map(address)
}

/// Parts the text into its tables; sets are read at once.
pub(super) fn read(builder: &mut Builder<'_>, sets: &mut Sets) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut family = None;
    let mut is_open = false;
    for (line, text) in builder.numbered_lines() {
        let text = text.trim();
        if let Some(comment) = text.strip_prefix('#') {
            family = named_family(comment).or(family);
            continue;
        }
        if let Some(table) = text.strip_prefix('*') {
            sections.push(Section::new(line, table.trim(), family));
            is_open = true;
            continue;
        }
        match text {
            "" => continue,
            "COMMIT" => {
                is_open = false;
                continue;
            }
            _ => {}
        }
        let words = words(without_counters(text));
        let plain: Vec<&str> = words.iter().map(String::as_str).collect();
        if let ["create" | "add", ..] = plain.as_slice() {
            if let Err(reason) = sets.read(&plain) {
                builder.untranslated(line, reason);
            }
            continue;
        }
        if !is_open {
            // The form of `iptables -S` has no tables.
            sections.push(Section::new(line, "filter", family));
            is_open = true;
        }
        let Some(section) = sections.last_mut() else {
            continue;
        };
        if let Err(reason) = table_line(section, line, &plain) {
            builder.untranslated(line, reason);
        }
    }
    sections
}

fn table_line(section: &mut Section, line: usize, words: &[&str]) -> Result<(), &'static str> {
    match words {
        ["-A" | "--append", chain, rest @ ..] => {
            let words = rest.iter().map(|word| (*word).to_owned()).collect();
            section.append(chain, Rule { line, words });
        }
        ["-P" | "--policy", chain, policy] => {
            let policy = (line, (*chain).to_owned(), (*policy).to_owned());
            section.policies.push(policy);
        }
        ["-N" | "--new-chain", chain] => {
            section.chains.entry((*chain).to_owned()).or_default();
        }
        [first, policy, ..] if first.starts_with(':') => {
            let chain = first.trim_start_matches(':').to_owned();
            section.chains.entry(chain.clone()).or_default();
            section.policies.push((line, chain, (*policy).to_owned()));
        }
        _ => return Err("it is not a line of iptables-save"),
    }
    Ok(())
}

/// `Generated by ip6tables-save v1.8.9 on …`.
fn named_family(comment: &str) -> Option<Family> {
    if comment.contains("ip6tables") {
        Some(Family::Ipv6)
    } else if comment.contains("iptables") {
        Some(Family::Ipv4)
    } else {
        None
    }
}

/// The line without `[packets:bytes]` before it.
fn without_counters(text: &str) -> &str {
    let counters = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    counters.map_or(text, |(_, rest)| rest.trim_start())
}
