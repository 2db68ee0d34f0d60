//! A policy as a document again.

use std::fmt::Display;

use stormbolt_control::policy::{
    Accepts, Action, Adaptive, Addresses, AttachMode, Class, FailsafeMode, FragmentMatch, Group,
    Malformed, Management, Policy, Range, Rule, RuleMatch, Set, TableWishes, TcpFlagsMatch,
};

use super::fields::{DSCP, PROTOCOLS, TCP_FLAGS};
use super::units::{write_rate, write_size, write_time};

/// Lists up to this long stand on one line.
const MAX_INLINE: usize = 8;

/// Writes a policy as a file that [`super::parse`] reads back as an equal policy.
///
/// Every key is written, defaults too, but for what few policies change (overhead, shadow and the like) and the
/// sizes of the tables: what those are by default is the daemon's business. Large sets are written as texts with one prefix a line, which
/// are smaller and quicker to read than lists.
pub fn to_toml(policy: &Policy) -> String {
    let mut out = Writer(String::from("version = 1\n"));
    if policy.shadow {
        out.value("shadow", true);
    }
    out.header("[controller]");
    out.text("interval", &write_time(policy.interval));
    out.text("law", policy.law.name());
    out.text("failsafe", failsafe(policy.failsafe.mode));
    out.text("failsafe-after", &write_time(policy.failsafe.after));
    write_tables(&mut out, policy);
    for interface in &policy.interfaces {
        out.header(&format!("[interface.{}]", key(&interface.name)));
        out.text("capacity", &write_rate(interface.capacity));
        out.text("mode", mode(interface.mode));
        if interface.overhead != 0 {
            out.value("overhead", interface.overhead);
        }
        if let Some(then) = &interface.then {
            out.text("then", then);
        }
        if let Some(adaptive) = &interface.adaptive {
            write_adaptive(&mut out, adaptive);
        }
    }
    for class in &policy.classes {
        write_class(&mut out, policy, class);
    }
    for group in &policy.groups {
        write_group(&mut out, policy, group);
    }
    for set in &policy.sets {
        write_set(&mut out, set);
    }
    write_management(&mut out, policy);
    for (index, rule) in policy.rules.iter().enumerate() {
        out.header("[[rule]]");
        if rule.name != format!("rule {}", index + 1) {
            out.text("name", &rule.name);
        }
        write_rule(&mut out, policy, rule);
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

/// Writes the keys of a rule of `policy`, as they stand below `[[rule]]`; [`super::parse_rule`] reads
/// them back as an equal rule.
pub fn rule_to_toml(policy: &Policy, rule: &Rule) -> String {
    let mut out = Writer(String::new());
    out.text("name", &rule.name);
    write_rule(&mut out, policy, rule);
    out.0
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

    fn optional<T>(&mut self, key: &str, list: Option<&Accepts<T>>, write: impl Fn(&T) -> Item) {
        if let Some(list) = list {
            let items = list.any_of.iter().map(write);
            self.list(key, items.map(|item| item.written(list.negated)));
        }
    }
}

fn write_tables(out: &mut Writer, policy: &Policy) {
    let TableWishes {
        memory,
        flows,
        sources,
        classes,
        interfaces,
    } = policy.tables;
    if !policy.tables.is_empty() {
        out.header("[tables]");
    }
    if let Some(bytes) = memory {
        out.text("memory", &write_size(bytes));
    }
    let numbers = [
        ("flows", flows),
        ("sources", sources),
        ("classes", classes),
        ("interfaces", interfaces),
    ];
    for (key, number) in numbers {
        if let Some(number) = number {
            out.value(key, number);
        }
    }
}

fn write_adaptive(out: &mut Writer, adaptive: &Adaptive) {
    out.text("capacity-min", &write_rate(adaptive.min));
    out.text("capacity-max", &write_rate(adaptive.max));
    if !adaptive.probes.is_empty() {
        out.list("probe", adaptive.probes.iter().map(quoted));
        out.text("probe-interval", &write_time(adaptive.probe_interval));
        out.text("delay-target", &write_time(adaptive.delay_target));
    }
}

fn write_class(out: &mut Writer, policy: &Policy, class: &Class) {
    out.header(&format!("[class.{}]", key(&class.name)));
    if let Some(group) = class.group {
        out.text("group", group_name(policy, group));
    }
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
    if let Some(per_source) = class.per_source {
        out.text("per-source", &write_rate(per_source.rate));
        out.text("per-source-burst", &write_time(per_source.burst));
        out.value("per-source-ipv4-prefix", per_source.ipv4_prefix);
        out.value("per-source-ipv6-prefix", per_source.ipv6_prefix);
    }
    write_treatment(out, class);
}

fn write_treatment(out: &mut Writer, class: &Class) {
    let treatment = &class.treatment;
    if !treatment.ecn {
        out.value("ecn", false);
    }
    if let Some(ahead) = treatment.retransmit_ahead {
        out.text("retransmit-ahead", &write_time(ahead));
    }
    if let Some(dscp) = treatment.dscp {
        out.value("dscp", dscp);
    }
    if let Some(packets) = treatment.packet_rate {
        out.value("packet-rate", packets);
    }
    if treatment.shadow {
        out.value("shadow", true);
    }
}

fn write_group(out: &mut Writer, policy: &Policy, group: &Group) {
    out.header(&format!("[group.{}]", key(&group.name)));
    if let Some(parent) = group.parent {
        out.text("parent", group_name(policy, parent));
    }
    out.value("priority", group.priority);
    out.text("rate", &write_rate(group.rate));
    if let Some(ceil) = group.ceil {
        out.text("ceil", &write_rate(ceil));
    }
    out.value("weight", group.weight);
}

fn write_set(out: &mut Writer, set: &Set) {
    out.header(&format!("[set.{}]", key(&set.name)));
    if set.prefixes.len() <= MAX_INLINE {
        out.list("prefixes", set.prefixes.iter().map(quoted));
        return;
    }
    out.0.push_str("prefixes = '''\n");
    for prefix in &set.prefixes {
        out.0.extend([prefix.to_string().as_str(), "\n"]);
    }
    out.0.push_str("'''\n");
}

fn write_management(out: &mut Writer, policy: &Policy) {
    let Management {
        exempt,
        source,
        destination,
        ports,
    } = &policy.management;
    out.header("[management]");
    out.value("exempt", exempt);
    write_addresses(out, policy, "src", source.as_ref());
    write_addresses(out, policy, "dst", destination.as_ref());
    out.optional("ports", Some(ports), range);
}

/// All keys but the name.
fn write_rule(out: &mut Writer, policy: &Policy, rule: &Rule) {
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
    write_addresses(out, policy, "src", source.as_ref());
    write_addresses(out, policy, "dst", destination.as_ref());
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
    out.optional("fragment", fragment.as_ref(), |place| {
        Item::Text(fragment_name(*place).to_owned())
    });
    out.optional("icmp-type", icmp_type.as_ref(), range);
    out.optional("length", length.as_ref(), range);
    out.optional("interface", interface.as_ref(), |index| {
        let interface = policy.interfaces.get(*index);
        Item::Text(interface.map_or_else(String::new, |interface| interface.name.clone()))
    });
    match rule.action {
        Action::Class(index) => out.text("class", class_name(policy, index)),
        Action::Pass => out.text("action", "pass"),
        Action::Drop => out.text("action", "drop"),
        Action::ShadowDrop => out.text("action", "shadow-drop"),
    }
}

fn write_addresses(out: &mut Writer, policy: &Policy, key: &str, addresses: Option<&Addresses>) {
    let Some(addresses) = addresses else {
        return;
    };
    let prefixes = addresses.prefixes.iter().map(ToString::to_string);
    let sets = addresses.sets.iter().map(|&position| {
        let set = policy.sets.get(position);
        format!("@{}", set.map_or("", |set| &set.name))
    });
    let items = prefixes.chain(sets).map(Item::Text);
    out.list(key, items.map(|item| item.written(addresses.negated)));
}

fn group_name(policy: &Policy, index: usize) -> &str {
    policy.groups.get(index).map_or("", |group| &group.name)
}

fn class_name(policy: &Policy, index: usize) -> &str {
    policy.classes.get(index).map_or("", |class| &class.name)
}

const fn failsafe(mode: FailsafeMode) -> &'static str {
    match mode {
        FailsafeMode::Hold => "hold",
        FailsafeMode::Guaranteed => "guaranteed",
        FailsafeMode::Open => "open",
    }
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

/// A value in a list.
enum Item {
    Number(String),
    Text(String),
}

impl Item {
    /// With `!` in front it is a string in any case.
    fn written(self, negated: bool) -> String {
        match self {
            Self::Number(text) | Self::Text(text) if negated => quoted(format!("!{text}")),
            Self::Number(text) => text,
            Self::Text(text) => quoted(text),
        }
    }
}

fn range<T: Display + PartialEq>(range: &Range<T>) -> Item {
    if range.first == range.last {
        Item::Number(range.first.to_string())
    } else {
        Item::Text(format!("{}-{}", range.first, range.last))
    }
}

/// The name of a number if it has one, else the number.
fn named(number: u8, names: &[(&str, u16)]) -> Item {
    let name = names.iter().find(|(_, named)| *named == u16::from(number));
    name.map_or_else(
        || Item::Number(number.to_string()),
        |(name, _)| Item::Text((*name).to_owned()),
    )
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
    let names = names.join(",");
    if flags.negated {
        format!("!({names})")
    } else {
        names
    }
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
