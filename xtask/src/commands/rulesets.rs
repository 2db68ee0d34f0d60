//! `cargo xtask rulesets`: rule sets, headers and prefixes for benchmarks, as text.

use std::{
    fmt::Display,
    fs::File,
    io::{self, BufWriter, ErrorKind, Write},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::rulesets::{Family, IpVersion, Pareto, filters, prefixes, skewed_headers};

/// Writes a made-up rule set, packet headers that match it, or a large set of prefixes.
///
/// The sets resemble those of `ClassBench` (Taylor and Turner, 2007) in prefix lengths, nesting,
/// ports, protocols and skew. The same arguments always give the same lines.
///
/// Without --headers and --prefixes: one filter a line, the first match wins, in the
/// format of `ClassBench`, tabs between the fields:
///   @source/length  destination/length  low : high  low : high  protocol/mask
///
/// Examples:
///   cargo xtask rulesets --family fw --count 10000 --output fw.rules
///   cargo xtask rulesets --family fw --count 10000 --headers 16384 --output fw.headers
///   cargo xtask rulesets --prefixes --version 6 --count 1000000 --output prefixes
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// What to resemble: acl (access lists of routers: specific destinations and ports), fw
    /// (firewalls: one side often anywhere) or ipc (chains of Linux: both sides fairly specific).
    #[arg(long, default_value_t = Family::Acl)]
    family: Family,
    /// The version of IP: 4 or 6.
    #[arg(long, default_value_t = IpVersion::V4)]
    version: IpVersion,
    /// How many filters or prefixes there are; all are different.
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// What the random choices start from: another seed gives another set of the same kind.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write this many headers for the set instead of the set.
    ///
    /// Each is inside of a filter drawn at random: source, destination, source port, destination
    /// port, protocol.
    #[arg(long, value_name = "NUMBER")]
    headers: Option<usize>,
    /// How often a header comes several times in a row.
    #[arg(long, requires = "headers", value_enum, default_value_t = Skew::None)]
    skew: Skew,
    /// Write prefixes with lengths and nesting like those of the global routing table instead.
    #[arg(long, conflicts_with_all = ["headers", "family"])]
    prefixes: bool,
    /// The file to write instead of the standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The Pareto distribution of repetitions in `ClassBench`, shape 1.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Skew {
    /// Never: each header is drawn anew.
    None,
    /// Seldom, scale 0.0001: few headers come in bursts.
    Low,
    /// Mostly, scale 1: bursts of any length.
    High,
}

pub(super) fn run(args: &Args) -> Result<()> {
    match &args.output {
        Some(path) => {
            let failed = || format!("cannot write {}", path.display());
            let file = File::create(path).with_context(failed)?;
            write(args, file).with_context(failed)
        }
        None => match write(args, io::stdout().lock()) {
            // The reader, such as `head`, has enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result.context("cannot write to the standard output"),
        },
    }
}

fn write(args: &Args, out: impl Write) -> io::Result<()> {
    if args.prefixes {
        return write_lines(&prefixes(args.version, args.count, args.seed), out);
    }
    let set = filters(args.family, args.version, args.count, args.seed);
    let Some(count) = args.headers else {
        return write_lines(&set, out);
    };
    let pareto = match args.skew {
        Skew::None => Pareto::None,
        Skew::Low => Pareto::Low,
        Skew::High => Pareto::High,
    };
    write_lines(&skewed_headers(&set, count, args.seed, pareto), out)
}

fn write_lines(lines: &[impl Display], out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::rulesets::Filter;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn output(arguments: &str) -> Vec<String> {
        let words = ["rulesets"].into_iter().chain(arguments.split(' '));
        let mut out = Vec::new();
        write(&Command::parse_from(words).args, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_headers_belong_to_the_set_of_the_same_arguments() {
        let set = "--family ipc --version 6 --count 50 --seed 9";
        let filters: Vec<Filter> = output(set)
            .iter()
            .map(|line| line.parse().unwrap())
            .collect();
        assert_eq!(filters.len(), 50);

        let headers = output(&format!("{set} --headers 20"));
        assert_eq!(headers.len(), 20);
        for header in headers {
            let source = header.split('\t').next().unwrap().parse().unwrap();
            let contains = |net: &ipnet::IpNet| net.contains::<&std::net::IpAddr>(&source);
            assert!(filters.iter().any(|filter| contains(&filter.source)));
        }
    }

    #[test]
    fn prefixes_have_no_family() {
        assert_eq!(output("--prefixes --count 30").len(), 30);
        let both = ["rulesets", "--prefixes", "--family", "acl"];
        assert!(Command::try_parse_from(both).is_err());
    }
}
