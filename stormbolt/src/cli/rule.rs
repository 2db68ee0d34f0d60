//! `stormbolt rule`

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use super::changing::{Condition, Told};
use super::exit::Exit;
use super::output::Output;
use super::rule_keys::{Assignment, keys};
use super::table::printable;
use crate::api::documents::{Applied, RuleChange};

/// Adds, deletes, changes or moves one rule.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Adds, deletes, changes or moves one rule of the policy in force while traffic flows. \
        Takes time in proportion to what changes, not to the policy. `stormbolt show rules` lists the \
        names; rules without one are called `rule 3` after the place that they had in the policy file.\n\n\
        \
        It outlives the daemon: it is written into the policy file that the daemon was started with.",
    after_long_help = "Example:\n  sudo stormbolt rule add no-telnet --position 1 protocol=tcp dst-port=23 action=drop\n  \
        sudo stormbolt rule set no-telnet dst-port=23,2323\n  \
        sudo stormbolt rule move no-telnet --after web\n  \
        sudo stormbolt rule del no-telnet"
)]
pub(super) struct Args {
    #[command(flatten)]
    condition: Condition,

    #[command(flatten)]
    told: Told,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Add(Add),
    Del(Del),
    Set(Set),
    Move(Move),
}

/// How keys and values are written.
const KEYS_HELP: &str = "Keys and values are those of `[[rule]]` in a policy file, without quotes:\n  \
    src dst                an address, a prefix or @SET\n  \
    src-port dst-port      80, or a range 9000-9100\n  \
    protocol               tcp, udp, icmp, ... or a number\n  \
    interface dscp vlan tcp-flags fragment icmp-type length\n  \
    class=NAME             puts packets into the class\n  \
    action=drop            or action=pass\n\
    Several values stand behind each other, dst-port=80,443, or the key is given again. With ! in \
    front of each, everything but these matches; the shell wants quotes then: 'src=!@office'.";

/// Adds a rule.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Adds a rule to the policy in force while traffic flows: without a place, behind all \
        others. The first rule that matches decides, so the place matters.\n\n\
        It outlives the daemon: it is written into the policy file that the daemon was started with.",
    after_long_help = format!("{KEYS_HELP}\n\nExample:\n  \
        sudo stormbolt rule add no-telnet --position 1 protocol=tcp dst-port=23 action=drop\n  \
        sudo stormbolt rule add calls --before web src=@office protocol=udp dst-port=5060,16384-32767 class=calls")
)]
struct Add {
    /// What it is called; no other rule may be.
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    place: Place,

    /// What it matches, and what it does.
    #[arg(value_name = "KEY=VALUE", required = true)]
    keys: Vec<Assignment>,
}

/// Deletes a rule.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Deletes a rule from the policy in force while traffic flows.\n\n\
        It outlives the daemon: it is written into the policy file that the daemon was started with.",
    after_long_help = "Example:\n  sudo stormbolt rule del no-telnet\n  \
        sudo stormbolt rule del 'rule 3'"
)]
struct Del {
    /// The rule.
    #[arg(value_name = "NAME")]
    name: String,
}

/// Changes keys of a rule.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Changes keys of a rule of the policy in force while traffic flows; those that are not \
        named stay as they are. A list that is given takes the place of the one before, `class` that of \
        `action` and the other way round. Its counters go on when only the \
        class or action changes, and begin anew with another name or match.\n\n\
        It outlives the daemon: it is written into the policy file that the daemon was started with.",
    after_long_help = format!("{KEYS_HELP}\n\nExample:\n  sudo stormbolt rule set no-telnet dst-port=23,2323\n  \
        sudo stormbolt rule set calls class=bulk --unset src\n  \
        sudo stormbolt rule set 'rule 3' name=calls")
)]
struct Set {
    /// The rule.
    #[arg(value_name = "NAME")]
    name: String,

    /// What is changed.
    #[arg(value_name = "KEY=VALUE", required_unless_present = "unset")]
    keys: Vec<Assignment>,

    /// Removes this key, so that the rule matches whatever is there; may be given again.
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
}

/// Moves a rule.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Moves a rule of the policy in force while traffic flows: the first rule that matches \
        decides.\n\n\
        It outlives the daemon: it is written into the policy file that the daemon was started with.",
    after_long_help = "Example:\n  sudo stormbolt rule move no-telnet --position 1\n  \
        sudo stormbolt rule move no-telnet --after web",
    group = clap::ArgGroup::new("where").required(true).args(["before", "after", "position"])
)]
struct Move {
    /// The rule.
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Place {
    /// Right before this rule.
    #[arg(long, value_name = "NAME")]
    before: Option<String>,

    /// Right behind this rule.
    #[arg(long, value_name = "NAME")]
    after: Option<String>,

    /// At this position, from 1.
    #[arg(long, value_name = "N")]
    position: Option<usize>,
}

impl Place {
    fn of(&self, rule: serde_json::Map<String, Value>) -> RuleChange {
        RuleChange {
            rule,
            before: self.before.clone(),
            after: self.after.clone(),
            position: self.position,
        }
    }
}

pub(super) fn run(args: &Args, socket: &Path, output: &mut Output<'_>) -> anyhow::Result<Exit> {
    let client = args.condition.client(socket)?;
    let (name, verb, applied) = match &args.command {
        Command::Add(Add {
            name,
            place,
            keys: given,
        }) => {
            let mut rule = keys(given)?;
            anyhow::ensure!(
                !rule.contains_key("name"),
                "the name is given twice: `{name}`, and once more as `name=`"
            );
            rule.insert("name".to_owned(), name.as_str().into());
            (name, "added at", client.post_rule(&place.of(rule))?)
        }
        Command::Del(Del { name }) => (name, "deleted from", client.delete_rule(name)?),
        Command::Set(Set {
            name,
            keys: given,
            unset,
        }) => {
            let mut rule = keys(given)?;
            for key in unset {
                anyhow::ensure!(
                    rule.insert(key.clone(), Value::Null).is_none(),
                    "`{key}` is both given and unset"
                );
            }
            let change = RuleChange {
                rule,
                ..RuleChange::default()
            };
            (name, "is at", client.patch_rule(name, &change)?)
        }
        Command::Move(Move { name, place }) => {
            let change = place.of(serde_json::Map::new());
            (name, "is at", client.patch_rule(name, &change)?)
        }
    };
    args.told.tell(&applied, output, |output| {
        report(name, verb, &applied, output)
    })
}

fn report(name: &str, verb: &str, applied: &Applied, output: &mut Output<'_>) -> io::Result<()> {
    if let Some(position) = applied.rule_position {
        let name = printable(name);
        writeln!(output, "rule {name} {verb} position {position}")?;
    }
    writeln!(output, "applied, generation {}", applied.generation)
}
