//! The options of one rule.

use crate::import::addresses::Family;
use crate::import::builder::Builder;
use crate::import::draft::{Draft, Read, Side};
use crate::import::names;
use crate::import::values::{self, LENGTH_NOTE, frame_lengths, number};
use crate::policy::{Accepts, Addresses, FragmentMatch, Range, TcpFlagsMatch};

use super::sets::Sets;

const PORT_BOUNDS: (u16, u16) = (0, u16::MAX);
/// Matches that only load the options which they have.
const MODULES: &[&str] = &[
    "tcp",
    "udp",
    "sctp",
    "icmp",
    "icmp6",
    "icmpv6",
    "multiport",
    "comment",
    "set",
    "dscp",
    "length",
    "iprange",
];

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Accept,
    Drop,
    Reject,
    Return,
    Goto,
    /// A chain, or a target that is not known here.
    Jump(String),
    None,
}

/// Reads the options of one rule into a draft.
pub(super) struct Reader<'r, 'a> {
    family: Family,
    sets: &'r Sets,
    builder: &'r mut Builder<'a>,
    line: usize,
}

/// The words that were not read yet.
type Words<'w> = std::slice::Iter<'w, String>;

impl<'r, 'a> Reader<'r, 'a> {
    pub(super) fn new(
        family: Family,
        sets: &'r Sets,
        builder: &'r mut Builder<'a>,
        line: usize,
    ) -> Self {
        Self {
            family,
            sets,
            builder,
            line,
        }
    }

    /// Adds the conditions to the draft; returns what the rule does.
    pub(super) fn read(&mut self, words: &[String], draft: &mut Draft) -> Read<Target> {
        draft.family(self.family)?;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (negated, option) = match word.as_str() {
                "!" => (true, value(&mut words, "!")?),
                other => (false, other),
            };
            match option {
                "-j" | "--jump" => return Ok(target(value(&mut words, option)?)),
                "-g" | "--goto" => return Ok(Target::Goto),
                "-m" | "--match" => module(value(&mut words, option)?)?,
                "-c" | "--set-counters" => {
                    value(&mut words, option)?;
                    value(&mut words, option)?;
                }
                "--comment" => draft.name = Some(value(&mut words, option)?.to_owned()),
                "-f" | "--fragment" if self.family == Family::Ipv4 => {
                    let any_of = vec![FragmentMatch::Later];
                    draft.fragment(Accepts { negated, any_of })?;
                }
                "--syn" => draft.tcp_flags(TcpFlagsMatch {
                    negated,
                    mask: 0x17,
                    set: 0x02,
                })?,
                "--return-nomatch" | "--rsource" | "--rdest" => return Err(unknown(option)),
                _ => {
                    // `-s ! 10.0.0.0/8` was written long ago.
                    let negated = negated | (words.as_slice().first().is_some_and(|w| w == "!"));
                    if words.as_slice().first().is_some_and(|word| word == "!") {
                        words.next();
                    }
                    self.condition(option, negated, &mut words, draft)?;
                }
            }
        }
        Ok(Target::None)
    }

    fn condition(
        &mut self,
        option: &str,
        negated: bool,
        words: &mut Words<'_>,
        draft: &mut Draft,
    ) -> Read {
        let mut next = || value(words, option);
        match option {
            "-s" | "--source" | "--src" | "--src-range" => {
                draft.addresses(Side::Source, self.addresses(next()?, negated)?)
            }
            "-d" | "--destination" | "--dst" | "--dst-range" => {
                draft.addresses(Side::Destination, self.addresses(next()?, negated)?)
            }
            "-p" | "--protocol" | "--proto" => protocol(next()?, negated, draft),
            "-i" | "--in-interface" => {
                let any_of = vec![next()?.to_owned()];
                draft.interface(Accepts { negated, any_of })
            }
            "--sport" | "--source-port" | "--sports" | "--source-ports" => {
                draft.ports(Side::Source, ports(next()?, negated)?)
            }
            "--dport" | "--destination-port" | "--dports" | "--destination-ports" => {
                draft.ports(Side::Destination, ports(next()?, negated)?)
            }
            "--ports" | "--port" => {
                Err("it takes ports of either side, StormBolt's rules have a field each".to_owned())
            }
            "--tcp-flags" => {
                let mask = tcp_flags(next()?)?;
                let set = tcp_flags(next()?)?;
                draft.tcp_flags(TcpFlagsMatch { negated, mask, set })
            }
            "--icmp-type" => icmp_type(next()?, negated, names::ICMP, draft),
            "--icmpv6-type" => icmp_type(next()?, negated, names::ICMPV6, draft),
            "--dscp" | "--dscp-class" => {
                let end = |text: &str| number(text).or_else(|| names::dscp(text));
                draft.dscp(list(next()?, negated, "code point", end, (0, 63))?)
            }
            "--length" => {
                let text = next()?;
                let lengths = values::range(text, ':', number, (0, u16::MAX));
                let lengths = lengths.ok_or_else(|| format!("`{text}` is not a length"))?;
                let any_of = vec![frame_lengths(lengths)?];
                draft.notes.push(LENGTH_NOTE.to_owned());
                draft.length(Accepts { negated, any_of })
            }
            "--match-set" => {
                let (name, directions) = (next()?, next()?);
                let side = match directions {
                    "src" => Side::Source,
                    "dst" => Side::Destination,
                    _ => return Err(format!("`{directions}` is more than one address")),
                };
                let prefixes = self.sets.prefixes(name)?;
                let position = self.builder.set(self.line, name, name, prefixes)?;
                let addresses = Addresses {
                    negated,
                    prefixes: Vec::new(),
                    sets: vec![position],
                };
                draft.addresses(side, addresses)
            }
            "-o" | "--out-interface" => Err(
                "StormBolt sees packets that arrive, before it is known where they leave"
                    .to_owned(),
            ),
            _ => Err(unknown(option)),
        }
    }

    fn addresses(&self, text: &str, negated: bool) -> Read<Addresses> {
        let mut addresses = Addresses {
            negated,
            ..Addresses::default()
        };
        for item in text.split(',') {
            addresses
                .prefixes
                .extend(values::prefixes(item, self.family)?);
        }
        Ok(addresses)
    }
}

fn value<'w>(words: &mut Words<'w>, option: &str) -> Read<&'w str> {
    let word = words.next().map(String::as_str);
    word.ok_or_else(|| format!("there is nothing behind `{option}`"))
}

fn unknown(option: &str) -> String {
    format!("`{option}` has no counterpart in StormBolt's rules")
}

fn target(name: &str) -> Target {
    match name {
        "ACCEPT" => Target::Accept,
        "DROP" => Target::Drop,
        "REJECT" => Target::Reject,
        "RETURN" => Target::Return,
        other => Target::Jump(other.to_owned()),
    }
}

fn module(name: &str) -> Read {
    let reason = match name {
        _ if MODULES.contains(&name) => return Ok(()),
        "conntrack" | "state" | "connlimit" | "connbytes" | "connmark" | "helper" | "recent"
        | "limit" | "hashlimit" | "quota" | "statistic" | "cluster" => {
            "StormBolt looks at single packets and keeps no state of connections or counts"
        }
        "owner" | "cgroup" | "socket" => {
            "StormBolt looks at single packets, before any process or socket is known"
        }
        "time" => "StormBolt looks at single packets, not at the time",
        "mark" | "policy" | "rpfilter" | "addrtype" | "physdev" => {
            "StormBolt sees packets before the kernel has routed or marked them"
        }
        _ => "StormBolt's rules have no such field",
    };
    Err(format!("match `{name}`: {reason}"))
}

fn protocol(text: &str, negated: bool, draft: &mut Draft) -> Read {
    if matches!(text, "all" | "0") {
        return if negated {
            Err("no packet has none of all protocols".to_owned())
        } else {
            Ok(())
        };
    }
    let found = number(text).or_else(|| names::protocol(text));
    let protocol = found.ok_or_else(|| format!("protocol `{text}` is not known"))?;
    let any_of = vec![protocol];
    draft.protocol(Accepts { negated, any_of })
}

fn ports(text: &str, negated: bool) -> Read<Accepts<Range<u16>>> {
    list(text, negated, "port", number, PORT_BOUNDS)
}

/// Numbers and ranges, with commas between them.
fn list<T: TryFrom<u64> + Copy + PartialOrd>(
    text: &str,
    negated: bool,
    what: &str,
    end: impl Fn(&str) -> Option<T>,
    bounds: (T, T),
) -> Read<Accepts<Range<T>>> {
    let items = text.split(',').map(|item| {
        let range = values::range(item, ':', &end, bounds);
        range.ok_or_else(|| format!("`{item}` is not a {what}"))
    });
    let any_of = items.collect::<Read<_>>()?;
    Ok(Accepts { negated, any_of })
}

/// Flags in capitals with commas; `ALL` are the six that iptables knows.
fn tcp_flags(text: &str) -> Read<u8> {
    match text {
        "ALL" => return Ok(0x3f),
        "NONE" => return Ok(0),
        _ => {}
    }
    text.split(',').try_fold(0, |flags, name| {
        let flag = names::tcp_flag(name).ok_or_else(|| format!("`{name}` is not a TCP flag"))?;
        Ok(flags | flag)
    })
}

fn icmp_type(text: &str, negated: bool, protocol: u8, draft: &mut Draft) -> Read {
    draft.protocol(Accepts::any_of(vec![protocol]))?;
    if text == "any" && !negated {
        return Ok(());
    }
    if text.contains('/') {
        return Err("StormBolt looks at the types of ICMP packets, not at their codes".to_owned());
    }
    let named = if protocol == names::ICMP {
        names::icmp
    } else {
        names::icmpv6
    };
    let end = |text: &str| number(text).or_else(|| named(text));
    draft.icmp_type(list(text, negated, "ICMP type", end, (0, u8::MAX))?)
}
