//! The document: which tables and keys there are. What they mean is left to `check`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Problem, Problems, Span};
use super::section::{Field, List, Scalar, Section};

/// The version of the document format that is understood.
const VERSION: i64 = 1;

/// A policy file as written.
#[derive(Debug)]
pub(super) struct Document<'t> {
    pub(super) shadow: Option<Field>,
    pub(super) controller: ControllerEntry,
    pub(super) tables: TablesEntry,
    pub(super) interfaces: Vec<InterfaceEntry>,
    pub(super) classes: Vec<ClassEntry>,
    pub(super) groups: Vec<GroupEntry>,
    pub(super) sets: Vec<SetEntry<'t>>,
    pub(super) management: ManagementEntry,
    pub(super) rules: Vec<RuleEntry>,
    pub(super) default: Option<DefaultEntry>,
}

/// `[controller]`
#[derive(Debug, Default)]
pub(super) struct ControllerEntry {
    pub(super) interval: Option<Field>,
    pub(super) failsafe: Option<Field>,
    pub(super) failsafe_after: Option<Field>,
    pub(super) law: Option<Field>,
}

/// `[tables]`
#[derive(Debug, Default)]
pub(super) struct TablesEntry {
    pub(super) memory: Option<Field>,
    pub(super) flows: Option<Field>,
    pub(super) sources: Option<Field>,
    pub(super) classes: Option<Field>,
    pub(super) interfaces: Option<Field>,
}

/// `[interface.NAME]`
#[derive(Debug)]
pub(super) struct InterfaceEntry {
    pub(super) name: Spanned<String>,
    pub(super) capacity: Option<Field>,
    pub(super) mode: Option<Field>,
    pub(super) overhead: Option<Field>,
    pub(super) then: Option<Field>,
    pub(super) adaptive: AdaptiveEntry,
}

/// The keys of `[interface.NAME]` for a capacity that follows its link.
#[derive(Debug)]
pub(super) struct AdaptiveEntry {
    pub(super) min: Option<Field>,
    pub(super) max: Option<Field>,
    pub(super) probe: Option<List>,
    pub(super) probe_interval: Option<Field>,
    pub(super) delay_target: Option<Field>,
}

/// `[class.NAME]`
#[derive(Debug)]
pub(super) struct ClassEntry {
    pub(super) name: Spanned<String>,
    pub(super) priority: Option<Field>,
    pub(super) rate: Option<Field>,
    pub(super) ceil: Option<Field>,
    pub(super) burst: Option<Field>,
    pub(super) weight: Option<Field>,
    pub(super) cpus: Option<List>,
    pub(super) ecn: Option<Field>,
    pub(super) retransmit_ahead: Option<Field>,
    pub(super) dscp: Option<Field>,
    pub(super) packet_rate: Option<Field>,
    pub(super) shadow: Option<Field>,
    pub(super) per_source: PerSourceEntry,
    pub(super) group: Option<Field>,
}

/// The keys of `[class.NAME]` that are about each source.
#[derive(Debug, Default)]
pub(super) struct PerSourceEntry {
    pub(super) rate: Option<Field>,
    pub(super) burst: Option<Field>,
    pub(super) ipv4_prefix: Option<Field>,
    pub(super) ipv6_prefix: Option<Field>,
}

/// `[group.NAME]`
#[derive(Debug)]
pub(super) struct GroupEntry {
    pub(super) name: Spanned<String>,
    pub(super) priority: Option<Field>,
    pub(super) rate: Option<Field>,
    pub(super) ceil: Option<Field>,
    pub(super) weight: Option<Field>,
    pub(super) parent: Option<Field>,
}

/// `[set.NAME]`
#[derive(Debug)]
pub(super) struct SetEntry<'t> {
    pub(super) name: Spanned<String>,
    /// As it stands in the file: a million prefixes are not copied before they are read.
    pub(super) prefixes: Option<Spanned<DeValue<'t>>>,
    pub(super) file: Option<Field>,
}

/// `[management]`
#[derive(Debug, Default)]
pub(super) struct ManagementEntry {
    pub(super) exempt: Option<Field>,
    pub(super) source: Option<List>,
    pub(super) destination: Option<List>,
    pub(super) ports: Option<List>,
}

/// `[[rule]]`
#[derive(Debug)]
pub(super) struct RuleEntry {
    pub(super) span: Span,
    pub(super) name: Option<Field>,
    pub(super) source: Option<List>,
    pub(super) destination: Option<List>,
    pub(super) source_port: Option<List>,
    pub(super) destination_port: Option<List>,
    pub(super) protocol: Option<List>,
    pub(super) dscp: Option<List>,
    pub(super) vlan: Option<List>,
    pub(super) tcp_flags: Option<Field>,
    pub(super) fragment: Option<List>,
    pub(super) icmp_type: Option<List>,
    pub(super) length: Option<List>,
    pub(super) interface: Option<List>,
    pub(super) class: Option<Field>,
    pub(super) action: Option<Field>,
}

/// `[default]`
#[derive(Debug)]
pub(super) struct DefaultEntry {
    pub(super) span: Span,
    pub(super) class: Option<Field>,
    pub(super) malformed: Option<Field>,
}

impl<'t> Document<'t> {
    /// Reads TOML text. `None` when it cannot be judged any further: it is not TOML, or of
    /// another version.
    pub(super) fn read(text: &'t str, problems: &mut Problems) -> Option<Self> {
        let mut root = Section::new("", table(text, problems)?);
        check_version(root.field("version", problems), problems)?;
        let document = Self {
            shadow: root.field("shadow", problems),
            controller: root
                .section("controller", problems)
                .map(|(_, section)| ControllerEntry::read(section, problems))
                .unwrap_or_default(),
            tables: root
                .section("tables", problems)
                .map(|(_, section)| TablesEntry::read(section, problems))
                .unwrap_or_default(),
            interfaces: entries(&mut root, "interface", problems, InterfaceEntry::read),
            classes: entries(&mut root, "class", problems, ClassEntry::read),
            groups: entries(&mut root, "group", problems, GroupEntry::read),
            sets: entries(&mut root, "set", problems, SetEntry::read),
            management: root
                .section("management", problems)
                .map(|(_, section)| ManagementEntry::read(section, problems))
                .unwrap_or_default(),
            rules: rules(&mut root, problems),
            default: root
                .section("default", problems)
                .map(|(span, section)| DefaultEntry::read(span, section, problems)),
        };
        root.finish(problems);
        Some(document)
    }
}

fn table<'t>(text: &'t str, problems: &mut Problems) -> Option<DeTable<'t>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        problems.add(syntax_problem(text, error));
    }
    errors.is_empty().then(|| table.into_inner())
}

fn syntax_problem(text: &str, error: &toml::de::Error) -> Problem {
    let span = error.span().unwrap_or(0..0);
    // The end of the text is where something is missing, and has nothing to quote.
    let span = span.start.min(text.len())..span.end.min(text.len());
    let problem = Problem::error(span, format!("not TOML: {}", error.message()));
    if error.message().starts_with("duplicate key") {
        return problem.help("each name can be given once; put both into one table");
    }
    problem
}

/// `None` for another version, in which every key may mean something else.
fn check_version(version: Option<Field>, problems: &mut Problems) -> Option<()> {
    let help = format!("this StormBolt reads `version = {VERSION}`");
    let (span, message, readable) = match version {
        None => (
            0..0,
            "the version of the format is missing".to_owned(),
            true,
        ),
        Some(field) => match field.get_ref() {
            Scalar::Number(VERSION) | Scalar::Invalid => return Some(()),
            Scalar::Number(other) => (
                field.span(),
                format!("version {other} is not supported"),
                false,
            ),
            Scalar::Text(_) | Scalar::OtherNumber(_) | Scalar::Flag(_) => (
                field.span(),
                "`version` must be an integer".to_owned(),
                true,
            ),
        },
    };
    problems.add(Problem::error(span, message).help(help));
    readable.then_some(())
}

/// The value of the one key that a table may have.
fn entries<'t, T>(
    root: &mut Section<'t>,
    key: &'static str,
    problems: &mut Problems,
    read: fn(Spanned<String>, &mut Section<'t>, &mut Problems) -> T,
) -> Vec<T> {
    let sections = root.named(key, problems);
    let mut entries = Vec::with_capacity(sections.len());
    for (name, mut section) in sections {
        entries.push(read(name, &mut section, problems));
        section.finish(problems);
    }
    entries
}

fn rules(root: &mut Section<'_>, problems: &mut Problems) -> Vec<RuleEntry> {
    let sections = root.repeated("rule", problems);
    let mut rules = Vec::with_capacity(sections.len());
    for (span, mut section) in sections {
        rules.push(RuleEntry::read(span, &mut section, problems));
        section.finish(problems);
    }
    rules
}

impl ControllerEntry {
    fn read(mut section: Section<'_>, problems: &mut Problems) -> Self {
        let entry = Self {
            interval: section.field("interval", problems),
            failsafe: section.field("failsafe", problems),
            failsafe_after: section.field("failsafe-after", problems),
            law: section.field("law", problems),
        };
        section.finish(problems);
        entry
    }
}

impl TablesEntry {
    fn read(mut section: Section<'_>, problems: &mut Problems) -> Self {
        let entry = Self {
            memory: section.field("memory", problems),
            flows: section.field("flows", problems),
            sources: section.field("sources", problems),
            classes: section.field("classes", problems),
            interfaces: section.field("interfaces", problems),
        };
        section.finish(problems);
        entry
    }
}

impl InterfaceEntry {
    fn read(name: Spanned<String>, section: &mut Section<'_>, problems: &mut Problems) -> Self {
        Self {
            name,
            capacity: section.field("capacity", problems),
            mode: section.field("mode", problems),
            overhead: section.field("overhead", problems),
            then: section.field("then", problems),
            adaptive: AdaptiveEntry {
                min: section.field("capacity-min", problems),
                max: section.field("capacity-max", problems),
                probe: section.list("probe", problems),
                probe_interval: section.field("probe-interval", problems),
                delay_target: section.field("delay-target", problems),
            },
        }
    }
}

impl ClassEntry {
    fn read(name: Spanned<String>, section: &mut Section<'_>, problems: &mut Problems) -> Self {
        Self {
            name,
            priority: section.field("priority", problems),
            rate: section.field("rate", problems),
            ceil: section.field("ceil", problems),
            burst: section.field("burst", problems),
            weight: section.field("weight", problems),
            cpus: section.list("cpus", problems),
            ecn: section.field("ecn", problems),
            retransmit_ahead: section.field("retransmit-ahead", problems),
            dscp: section.field("dscp", problems),
            packet_rate: section.field("packet-rate", problems),
            shadow: section.field("shadow", problems),
            per_source: PerSourceEntry::read(section, problems),
            group: section.field("group", problems),
        }
    }
}

impl PerSourceEntry {
    fn read(section: &mut Section<'_>, problems: &mut Problems) -> Self {
        Self {
            rate: section.field("per-source", problems),
            burst: section.field("per-source-burst", problems),
            ipv4_prefix: section.field("per-source-ipv4-prefix", problems),
            ipv6_prefix: section.field("per-source-ipv6-prefix", problems),
        }
    }
}

impl GroupEntry {
    fn read(name: Spanned<String>, section: &mut Section<'_>, problems: &mut Problems) -> Self {
        Self {
            name,
            priority: section.field("priority", problems),
            rate: section.field("rate", problems),
            ceil: section.field("ceil", problems),
            weight: section.field("weight", problems),
            parent: section.field("parent", problems),
        }
    }
}

impl<'t> SetEntry<'t> {
    fn read(name: Spanned<String>, section: &mut Section<'t>, problems: &mut Problems) -> Self {
        Self {
            name,
            prefixes: section.raw("prefixes"),
            file: section.field("file", problems),
        }
    }
}

impl ManagementEntry {
    fn read(mut section: Section<'_>, problems: &mut Problems) -> Self {
        let entry = Self {
            exempt: section.field("exempt", problems),
            source: section.list("src", problems),
            destination: section.list("dst", problems),
            ports: section.list("ports", problems),
        };
        section.finish(problems);
        entry
    }
}

impl RuleEntry {
    /// Reads a text that is nothing but the keys of one rule. `None` when it is not TOML.
    pub(super) fn alone(text: &str, problems: &mut Problems) -> Option<Self> {
        let mut section = Section::new("[[rule]]", table(text, problems)?);
        let entry = Self::read(0..text.len(), &mut section, problems);
        section.finish(problems);
        Some(entry)
    }

    fn read(span: Span, section: &mut Section<'_>, problems: &mut Problems) -> Self {
        Self {
            span,
            name: section.field("name", problems),
            source: section.list("src", problems),
            destination: section.list("dst", problems),
            source_port: section.list("src-port", problems),
            destination_port: section.list("dst-port", problems),
            protocol: section.list("protocol", problems),
            dscp: section.list("dscp", problems),
            vlan: section.list("vlan", problems),
            tcp_flags: section.field("tcp-flags", problems),
            fragment: section.list("fragment", problems),
            icmp_type: section.list("icmp-type", problems),
            length: section.list("length", problems),
            interface: section.list("interface", problems),
            class: section.field("class", problems),
            action: section.field("action", problems),
        }
    }
}

impl DefaultEntry {
    fn read(span: Span, mut section: Section<'_>, problems: &mut Problems) -> Self {
        let entry = Self {
            span,
            class: section.field("class", problems),
            malformed: section.field("malformed", problems),
        };
        section.finish(problems);
        entry
    }
}
