//! What `nft list ruleset` prints.

mod blocks;
mod elements;
mod expressions;
mod rules;
mod sets;
mod tokens;

use blocks::{Node, Nodes};
use rules::{Reader, Verdict};
use sets::Sets;
use tokens::{Kind, Token, tokens};

use super::addresses::Family;
use super::builder::{Builder, Imported, Options};
use super::draft::{Draft, Read};
use crate::policy::{Accepts, Action};

/// Translates base chains of type `filter` that see arriving packets (ingress, prerouting, input and
/// forward), with the named sets that they refer to.
pub fn nft(text: &str, options: &Options) -> Imported {
    let mut builder = Builder::new(text, options);
    let tokens = tokens(text);
    for node in Nodes::new(&tokens, |word| word == "table") {
        match (node.header().as_slice(), node.block) {
            (["table", family, name, ..], Some(block)) => {
                table(family, name, node.line(), block, &mut builder);
            }
            // nft takes a table without family for one of IPv4.
            (["table", name], Some(block)) => table("ip", name, node.line(), block, &mut builder),
            (["flush", "ruleset"], None) => {}
            _ => builder.untranslated(node.line(), "it is not a table of `nft list ruleset`"),
        }
    }
    builder.finish()
}

fn is_object(word: &str) -> bool {
    matches!(
        word,
        "chain"
            | "set"
            | "map"
            | "flowtable"
            | "counter"
            | "quota"
            | "limit"
            | "ct"
            | "secmark"
            | "synproxy"
            | "tunnel"
            | "meter"
    )
}

fn table(family: &str, name: &str, line: usize, block: &[Token], builder: &mut Builder<'_>) {
    let family = match family {
        "ip" => Some(Family::Ipv4),
        "ip6" => Some(Family::Ipv6),
        "inet" | "netdev" => None,
        other => {
            for node in Nodes::new(block, is_object).filter(|node| node.block.is_some()) {
                let reason =
                    format!("tables of family `{other}` are not about packets to this host");
                builder.untranslated(node.line(), reason);
            }
            return;
        }
    };
    let nodes: Vec<Node<'_>> = Nodes::new(block, is_object).collect();
    let mut sets = Sets::default();
    for node in &nodes {
        if let Some("set") = node.header().first().copied() {
            sets.read(node, builder);
        }
    }
    for node in &nodes {
        match node.header().first().copied() {
            Some("set" | "counter" | "comment") => {}
            Some("chain") => {
                let table = Table {
                    family,
                    name,
                    sets: &sets,
                };
                chain(&table, node, builder);
            }
            Some(
                kind @ ("map" | "flowtable" | "quota" | "limit" | "meter" | "ct" | "synproxy"),
            ) => {
                let reason = format!("a `{kind}` has no counterpart in StormBolt's policy");
                builder.untranslated(node.line(), reason);
            }
            Some("flags") => builder.note(node.line(), "the table may be switched off in nft"),
            _ => builder.untranslated(node.line().max(line), "it is not part of a table"),
        }
    }
}

/// What rules refer to.
pub(super) struct Table<'t> {
    family: Option<Family>,
    name: &'t str,
    sets: &'t Sets,
}

fn chain(table: &Table<'_>, node: &Node<'_>, builder: &mut Builder<'_>) {
    let [_, name, ..] = node.header()[..] else {
        builder.untranslated(node.line(), "the chain has no name");
        return;
    };
    if !builder.options.chains.is_empty() && !builder.options.chains.iter().any(|c| c == name) {
        return;
    }
    let statements: Vec<Node<'_>> = Nodes::new(node.block.unwrap_or_default(), |_| false).collect();
    let mut hook = Err("its chain is entered by jumps only: StormBolt's rules are one list".into());
    let mut rules = Vec::new();
    for statement in statements {
        match statement.header().as_slice() {
            ["type", ..] => hook = base(&statement),
            ["policy", "drop", ..] => builder.note(
                statement.line(),
                "packets that no rule matches go to the default class, not to this policy",
            ),
            ["policy" | "comment", ..] => {}
            _ => rules.push(statement),
        }
    }
    for rule in rules {
        let read = hook.as_ref().map_err(Clone::clone);
        let done = read.and_then(|devices| translate(table, name, devices, &rule, builder));
        if let Err(reason) = done {
            if Reader::passes(rule.words) && hook.is_ok() {
                builder.untranslated_pass(rule.line(), reason);
            } else {
                builder.untranslated(rule.line(), reason);
            }
        }
    }
}

/// Reads `type filter hook ingress device "eth0" priority filter`; returns the devices.
fn base(statement: &Node<'_>) -> Read<Vec<String>> {
    let header = statement.header();
    let after = |key: &str| {
        let position = header.iter().position(|word| *word == key)?;
        header.get(position + 1).copied()
    };
    match (after("type"), after("hook")) {
        (Some("filter"), Some("ingress" | "prerouting" | "input" | "forward")) => {}
        (Some("filter"), _) => {
            return Err("its chain is not about packets that arrive".to_owned());
        }
        _ => return Err("its chain is not of type `filter`".to_owned()),
    }
    let mut devices: Vec<String> = after("device").map(str::to_owned).into_iter().collect();
    let open = statement
        .words
        .iter()
        .position(|token| token.kind == Kind::Open);
    if let Some(inner) = open.and_then(|open| statement.words.get(open + 1..)) {
        for element in elements::elements(inner) {
            devices.push(element.value()?.to_owned());
        }
    }
    Ok(devices)
}

fn translate(
    table: &Table<'_>,
    chain: &str,
    devices: &[String],
    rule: &Node<'_>,
    builder: &mut Builder<'_>,
) -> Read {
    let mut draft = Draft::default();
    if let Some(family) = table.family {
        draft.family(family)?;
    }
    if !devices.is_empty() {
        draft.interface(Accepts::any_of(devices.to_vec()))?;
    }
    let mut reader = Reader::new(table, rule.words, builder);
    let verdict = reader.read(&mut draft)?;
    let action = match verdict {
        Verdict::Accept => Action::Pass,
        Verdict::Drop => Action::Drop,
        Verdict::Reject => {
            draft
                .notes
                .push("it drops silently, StormBolt sends no answer".to_owned());
            Action::Drop
        }
    };
    let chain = format!("{} {chain}", table.name);
    builder.chain_rule(rule.line(), draft, action, &chain)
}
