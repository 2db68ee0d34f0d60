//! `stormbolt import`

use std::fs::File;
use std::io::{self, Read, Write, stderr, stdin};
use std::path::{Path, PathBuf};

use anyhow::Context;
use stormbolt_control::import::{self, Finding, FindingKind, Imported, Options};
use stormbolt_control::units::BitsPerSecond;

use super::exit::Exit;
use super::format::counted;
use super::output::{Output, Style};
use super::table::printable;
use crate::config::{self, MAX_FILE_BYTES, units};

/// Characters of a line that are shown in a report.
const SHOWN: usize = 160;

/// Translates a rule set of another tool into a policy.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Translates a rule set of another tool into a policy file. A rule is translated if \
        it means the same here; every other line is reported with its number and the reason, and \
        the rest is written. Needs no daemon and no root, and changes nothing.\n\n\
        Ends with 0 if everything was translated, and with 1 if some lines were not. Read the \
        report before you apply the policy: where a line that lets packets through is missing, a \
        rule behind it may drop them.",
    after_long_help = "Examples:\n  \
        sudo nft list ruleset | stormbolt import nft - -o policy.toml\n  \
        sudo iptables-save | stormbolt import iptables - --chain FORWARD --interface eth0\n  \
        stormbolt import classbench acl1_10k --classes 8 > policy.toml"
)]
pub(super) struct Args {
    #[command(subcommand)]
    format: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Format {
    Classbench(Classbench),
    Nft(Nft),
    Iptables(Iptables),
}

/// Translates a filter set of ClassBench or ClassBench-ng.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Translates a filter set of ClassBench or ClassBench-ng, one filter a line:\n\n  \
        @192.0.2.0/24  10.0.0.0/8  0 : 65535  80 : 80  0x06/0xFF  0x0000/0x0000\n\n\
        The last column, TCP flags, may be missing. Filters have no actions, so they all go into \
        one class, or into several in turn.",
    after_long_help = "Example:\n  \
        stormbolt import classbench acl1_10k --classes 8 -o policy.toml"
)]
struct Classbench {
    #[command(flatten)]
    common: Common,

    /// The class that all filters go into.
    #[arg(long, value_name = "NAME", default_value = "imported")]
    class: String,

    /// Spreads the filters over that many classes instead, `class-0` and so on, in turn.
    #[arg(
        long, value_name = "N", conflicts_with = "class",
        value_parser = clap::value_parser!(u16).range(1..=1023)
    )]
    classes: Option<u16>,
}

/// Translates what `nft list ruleset` prints.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Translates what `nft list ruleset` prints: base chains of type `filter` that see \
        arriving packets, and named sets. `accept` becomes `action = \"pass\"`; `drop` and `reject` \
        become `action = \"drop\"`.",
    after_long_help = "Example:\n  \
        sudo nft list ruleset | stormbolt import nft - --chain forward -o policy.toml"
)]
struct Nft {
    #[command(flatten)]
    common: Common,

    /// Translates only base chains of this name; may be repeated.
    #[arg(long = "chain", value_name = "NAME")]
    chains: Vec<String>,
}

/// Translates what iptables-save and ip6tables-save print.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Translates what iptables-save and ip6tables-save print: chains INPUT and FORWARD \
        of table `filter`, and chains that they jump to. ACCEPT becomes `action = \"pass\"`; DROP \
        and REJECT become `action = \"drop\"`. Sets have their entries if the output of `ipset \
        save` stands before.",
    after_long_help = "Example:\n  \
        (sudo ipset save; sudo iptables-save; sudo ip6tables-save) |\n    \
        stormbolt import iptables - --chain FORWARD -o policy.toml"
)]
struct Iptables {
    #[command(flatten)]
    common: Common,

    /// Translates only this chain, INPUT or FORWARD; may be repeated.
    #[arg(long = "chain", value_name = "NAME", value_parser = ["INPUT", "FORWARD"])]
    chains: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The rule set; `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where to write the policy instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Interface to manage, may be repeated; else those that rules name, or `eth0`.
    #[arg(long = "interface", value_name = "NAME")]
    interfaces: Vec<String>,

    /// What each interface's link carries.
    #[arg(long, value_name = "RATE", default_value = "1Gbit", value_parser = units::parse_rate)]
    capacity: BitsPerSecond,

    /// Class of the packets that no rule matches.
    #[arg(long, value_name = "NAME", default_value = "default")]
    default_class: String,

    /// Writes nothing unless everything was translated.
    #[arg(long)]
    strict: bool,
}

type Translate = fn(&str, &Options) -> Imported;

impl Format {
    /// What is common, how to translate, the tool's name, and what to translate to.
    fn parts(&self) -> (&Common, Translate, &'static str, Options) {
        let (common, translate, tool): (_, Translate, _) = match self {
            Self::Classbench(args) => (&args.common, import::classbench, "ClassBench"),
            Self::Nft(args) => (&args.common, import::nft, "nft"),
            Self::Iptables(args) => (&args.common, import::iptables, "iptables"),
        };
        let (classes, chains) = match self {
            Self::Classbench(Classbench { class, classes, .. }) => {
                let spread =
                    classes.map(|count| (0..count).map(|n| format!("class-{n}")).collect());
                (spread.unwrap_or_else(|| vec![class.clone()]), Vec::new())
            }
            Self::Nft(Nft { chains, .. }) | Self::Iptables(Iptables { chains, .. }) => {
                (Vec::new(), chains.clone())
            }
        };
        let options = Options {
            interfaces: common.interfaces.clone(),
            capacity: common.capacity,
            classes,
            default_class: common.default_class.clone(),
            chains,
        };
        (common, translate, tool, options)
    }
}

pub(super) fn run(args: &Args, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let style = Style::of(&stderr());
    import(args, output, &mut anstream::stderr(), style)
}

/// Writes the policy to `output`, unless the arguments name a file, and what was found to `report`.
pub(super) fn import(
    args: &Args,
    output: &mut impl Write,
    report: &mut impl Write,
    style: Style,
) -> anyhow::Result<Exit> {
    let (common, translate, tool, options) = args.format.parts();
    let text = read(&common.file)?;
    let imported = translate(&text, &options);
    let name = common.file.display().to_string();
    let policy = document(&imported, tool);
    // Names of classes and interfaces out of the arguments are checked like those of any policy.
    config::parse("the policy", &policy)?;
    write_report(&imported, &name, style, report)?;
    let untranslated = imported.untranslated();
    if untranslated == 0 || !common.strict {
        match &common.output {
            Some(path) => std::fs::write(path, policy)
                .with_context(|| format!("cannot write `{}`", path.display()))?,
            None => output.write_all(policy.as_bytes())?,
        }
    }
    Ok(if untranslated == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn read(path: &Path) -> anyhow::Result<String> {
    let reader: Box<dyn Read> = if path == Path::new("-") {
        Box::new(stdin().lock())
    } else {
        let file = File::open(path);
        Box::new(file.with_context(|| format!("cannot open `{}`", path.display()))?)
    };
    let mut bytes = Vec::new();
    let read = reader.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read `{}`", path.display()))?;
    let too_large = u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE_BYTES);
    anyhow::ensure!(
        !too_large,
        "`{}` is larger than {} MiB",
        path.display(),
        MAX_FILE_BYTES >> 20
    );
    // Comments may be in any encoding.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn document(imported: &Imported, tool: &str) -> String {
    let mut text = format!("# Translated by `stormbolt import` from a rule set of {tool}.\n");
    let untranslated = imported.untranslated();
    if untranslated > 0 {
        let lines = counted(untranslated, "line was", "lines were");
        text.extend(["# ", &lines, " not translated.\n"]);
    }
    for to_do in &imported.to_do {
        text.extend(["# To do: ", to_do, ".\n"]);
    }
    text.push('\n');
    text.push_str(&config::to_toml(&imported.policy));
    text
}

fn write_report(
    imported: &Imported,
    name: &str,
    style: Style,
    report: &mut impl Write,
) -> io::Result<()> {
    let name = printable(name);
    for Finding {
        line,
        kind,
        text,
        reason,
    } in &imported.findings
    {
        let kind = match kind {
            FindingKind::Untranslated => style.error("not translated:"),
            FindingKind::Note => style.warning("note:"),
        };
        let reason = printable(reason);
        if *line == 0 {
            writeln!(report, "{name}: {kind} {reason}")?;
            continue;
        }
        let shown: String = printable(text).chars().take(SHOWN).collect();
        writeln!(report, "{name}:{line}: {kind} {reason}\n    {shown}")?;
    }
    let rules = counted(imported.policy.rules.len(), "rule", "rules");
    let lines = counted(imported.untranslated(), "line", "lines");
    writeln!(report, "{name}: {rules}; {lines} not translated")
}

#[cfg(test)]
mod tests;
