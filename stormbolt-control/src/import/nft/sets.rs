//! Named sets.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::blocks::{Node, Nodes};
use super::elements::elements;
use super::tokens::{Kind, Token};
use crate::import::addresses::Family;
use crate::import::builder::Builder;
use crate::import::draft::Read;
use crate::import::values;
use crate::policy::Range;

/// The sets of one table by name.
#[derive(Debug, Default)]
pub(super) struct Sets(BTreeMap<String, Content>);

/// What is in a set.
#[derive(Debug)]
pub(super) enum Content {
    Addresses(Family, Vec<IpNet>),
    Ports(Vec<Range<u16>>),
    /// Something that StormBolt has no sets of.
    Other(String),
}

impl Sets {
    pub(super) fn get(&self, name: &str) -> Read<&Content> {
        let content = self.0.get(name);
        content.ok_or_else(|| format!("there is no set `{name}` in the table"))
    }

    /// Reads `set NAME { … }`; reports elements that cannot be translated.
    pub(super) fn read(&mut self, node: &Node<'_>, builder: &mut Builder<'_>) {
        let [_, name, ..] = node.header()[..] else {
            builder.untranslated(node.line(), "the set has no name");
            return;
        };
        let statements: Vec<Node<'_>> =
            Nodes::new(node.block.unwrap_or_default(), |_| false).collect();
        let starting = |first: &str| {
            let with = |statement: &&Node<'_>| statement.header().first() == Some(&first);
            statements.iter().find(with)
        };
        let kind = starting("type").map(|statement| {
            let words = statement.header();
            words.get(1..).unwrap_or_default().join(" ")
        });
        let mut content = match kind.as_deref() {
            Some("ipv4_addr") => Content::Addresses(Family::Ipv4, Vec::new()),
            Some("ipv6_addr") => Content::Addresses(Family::Ipv6, Vec::new()),
            Some("inet_service") => Content::Ports(Vec::new()),
            Some(other) => Content::Other(other.to_owned()),
            None => Content::Other("of no type".to_owned()),
        };
        if let Some(flags) = starting("flags").filter(|_| !matches!(content, Content::Other(_))) {
            let changes = |token: &Token| matches!(token.word(), Some("dynamic" | "timeout"));
            if flags.words.iter().any(changes) {
                let remark = format!("set `{name}` changes by itself in nft, not in StormBolt");
                builder.note(flags.line(), remark);
            }
        }
        if let Some(statement) = starting("elements") {
            let open = statement
                .words
                .iter()
                .position(|token| token.kind == Kind::Open);
            let inner = open.and_then(|open| statement.words.get(open + 1..));
            for element in elements(inner.unwrap_or_default()) {
                if let Err(reason) = content.add(element.value()) {
                    builder.untranslated(element.line(), reason);
                }
            }
        }
        self.0.insert(name.to_owned(), content);
    }
}

impl Content {
    fn add(&mut self, value: Read<&str>) -> Read {
        match self {
            Self::Addresses(family, prefixes) => {
                prefixes.extend(values::prefixes(value?, *family)?);
            }
            Self::Ports(ports) => ports.push(super::elements::port(value?)?),
            // Reported where it is used.
            Self::Other(_) => {}
        }
        Ok(())
    }
}
