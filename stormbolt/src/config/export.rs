//! A policy as a document again.

use std::collections::BTreeMap;
use std::fmt::Display;

use ipnet::IpNet;
use stormbolt_control::policy::{
    Action, AttachMode, Class, FragmentMatch, Malformed, Policy, Range, Rule, RuleMatch,
    TcpFlagsMatch,
};

use super::fields::{DSCP, PROTOCOLS, TCP_FLAGS};
use super::units::{write_rate, write_time};

/// Prefix lists up to this long stay in their rules; longer ones become sets.
const MAX_INLINE: usize = 8;

/// Writes a policy as a file that [`super::parse`] reads back as an equal policy.
///
/// A policy has no sets any more: their prefixes stand in the rules, and long lists come back as
/// sets named `set-1` and so on. Every key is written, defaults too.
pub fn to_toml(policy: &Policy) -> String {
    let sets = Sets::of(policy);
    let mut out = Writer(String::from("version = 1\n"));
    out.header("[controller]");
    out.text("interval", &write_time(policy.interval));
    for interface in &policy.interfaces {
        out.header(&format!("[interface.{}]", key(&interface.name)));
        out.text("capacity", &write_rate(interface.capacity));
        out.text("mode", mode(interface.mode));
    }
    for class in &policy.classes {
        write_class(&mut out, class);
    }
    for (prefixes, name) in &sets.0 {
        out.header(&format!("[set.{name}]"));
        out.list("prefixes", prefixes.iter().map(quoted));
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        write_rule(&mut out, policy, &sets, index + 1, rule);
    }
    out.header("[default]");
    out.text("class", class_name(policy, policy.default_class));
    out.text(
        "malformed",
        match policy.malformed {
            Malformed::Drop => "drop",
            Malformed::Pass => "pass",
        },
    );
    out.0
}

/// Prefix lists that stand for themselves, with their names.
struct Sets<'p>(BTreeMap<&'p [IpNet], String>);

impl<'p> Sets<'p> {
    fn of(policy: &'p Policy) -> Self {
        let mut sets = BTreeMap::new();
        for rule in &policy.rules {
            let sides = [&rule.matches.source, &rule.matches.destination];
            for prefixes in sides.into_iter().flatten().map(Vec::as_slice) {
                let next = format!("set-{}", sets.len() + 1);
                // A rule's own list cannot be empty, a set can.
                if prefixes.is_empty() || prefixes.len() > MAX_INLINE {
                    sets.entry(prefixes).or_insert(next);
                }
            }
        }
        Self(sets)
    }
}

/// TOML, line by line.
struct Writer(String);

impl Writer {
    fn header(&mut self, header: &str) {
        self.0.extend(["\n", header, "\n"]);
    }

    fn text(&mut self, key: &str, value: &str) {
        self.value(key, quoted(value));
    }

    fn value(&mut self, key: &str, value: impl Display) {
        let line = format!("{key} = {value}\n");
        self.0.push_str(&line);
    }

    fn list(&mut self, key: &str, items: impl Iterator<Item = String>) {
        let items: Vec<_> = items.collect();
        if items.len() > MAX_INLINE {
            self.value(key, format!("[\n    {},\n]", items.join(",\n    ")));
        } else {
            self.value(key, format!("[{}]", items.join(", ")));
        }
    }

    fn optional<T>(&mut self, key: &str, list: Option<&Vec<T>>, write: impl Fn(&T) -> String) {
        if let Some(list) = list {
            self.list(key, list.iter().map(write));
        }
    }
}

fn write_class(out: &mut Writer, class: &Class) {
    out.header(&format!("[class.{}]", key(&class.name)));
    out.value("priority", class.priority);
    out.text("rate", &write_rate(class.rate));
    if let Some(ceil) = class.ceil {
        out.text("ceil", &write_rate(ceil));
    }
    out.text("burst", &write_time(class.burst));
    out.value("weight", class.weight);
    if let Some(cpus) = &class.cpus {
        let numbers: Vec<_> = cpus.0.iter().map(u32::to_string).collect();
        out.text("cpus", &numbers.join(","));
    }
}

fn write_rule(out: &mut Writer, policy: &Policy, sets: &Sets<'_>, number: usize, rule: &Rule) {
    let RuleMatch {
        source,
        destination,
        source_port,
        destination_port,
        protocol,
        dscp,
        vlan,
        tcp_flags,
        fragment,
        icmp_type,
        length,
        interface,
    } = &rule.matches;
    out.header("[[rule]]");
    if rule.name != format!("rule {number}") {
        out.text("name", &rule.name);
    }
    for (key, prefixes) in [("src", source), ("dst", destination)] {
        match prefixes
            .as_ref()
            .map(|prefixes| (prefixes, sets.0.get(prefixes.as_slice())))
        {
            None => {}
            Some((_, Some(set))) => out.text(key, &format!("@{set}")),
            Some((prefixes, None)) => out.list(key, prefixes.iter().map(quoted)),
        }
    }
    out.optional("src-port", source_port.as_ref(), range);
    out.optional("dst-port", destination_port.as_ref(), range);
    out.optional("protocol", protocol.as_ref(), |number| {
        named(*number, PROTOCOLS)
    });
    out.optional("dscp", dscp.as_ref(), |codes| {
        if codes.first == codes.last {
            named(codes.first, DSCP)
        } else {
            range(codes)
        }
    });
    out.optional("vlan", vlan.as_ref(), range);
    if let Some(flags) = tcp_flags {
        out.text("tcp-flags", &flag_names(*flags));
    }
    if let Some(fragment) = fragment {
        out.text("fragment", fragment_name(*fragment));
    }
    out.optional("icmp-type", icmp_type.as_ref(), range);
    out.optional("length", length.as_ref(), range);
    out.optional("interface", interface.as_ref(), |index| {
        quoted(
            policy
                .interfaces
                .get(*index)
                .map_or("", |interface| &interface.name),
        )
    });
    match rule.action {
        Action::Class(index) => out.text("class", class_name(policy, index)),
        Action::Pass => out.text("action", "pass"),
        Action::Drop => out.text("action", "drop"),
    }
}

fn class_name(policy: &Policy, index: usize) -> &str {
    policy.classes.get(index).map_or("", |class| &class.name)
}

fn mode(mode: AttachMode) -> &'static str {
    match mode {
        AttachMode::Auto => "auto",
        AttachMode::Native => "native",
        AttachMode::Generic => "generic",
    }
}

fn fragment_name(fragment: FragmentMatch) -> &'static str {
    match fragment {
        FragmentMatch::No => "no",
        FragmentMatch::First => "first",
        FragmentMatch::Later => "later",
        FragmentMatch::Any => "any",
    }
}

fn range<T: Display + PartialEq>(range: &Range<T>) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        quoted(format!("{}-{}", range.first, range.last))
    }
}

/// The name of a number if it has one, else the number.
fn named(number: u8, names: &[(&str, u16)]) -> String {
    let name = names.iter().find(|(_, named)| *named == u16::from(number));
    name.map_or_else(|| number.to_string(), |(name, _)| quoted(name))
}

fn flag_names(flags: TcpFlagsMatch) -> String {
    let bits = TCP_FLAGS
        .iter()
        .enumerate()
        .map(|(index, name)| (1_u8 << index, name));
    let names: Vec<_> = bits
        .filter(|(bit, _)| flags.mask & bit != 0)
        .map(|(bit, name)| {
            if flags.set & bit != 0 {
                (*name).to_owned()
            } else {
                format!("!{name}")
            }
        })
        .collect();
    names.join(",")
}

fn key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A TOML basic string, which unlike the other kinds of strings may be a key too.
fn quoted(value: impl Display) -> String {
    let mut quoted = String::from("\"");
    for character in value.to_string().chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => {
                let escape = format!("\\u{:04X}", u32::from(character));
                quoted.push_str(&escape);
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
