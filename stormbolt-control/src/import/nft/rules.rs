//! One rule: conditions, statements, a verdict.

use super::Table;
use super::expressions::{Cursor, Operator};
use super::tokens::Token;
use crate::import::addresses::Family;
use crate::import::builder::Builder;
use crate::import::draft::{Draft, Read, Side};
use crate::import::names::{self, ICMP, ICMPV6, SCTP, TCP, UDP};
use crate::import::values::{LENGTH_NOTE, frame_lengths, number};
use crate::policy::{Accepts, Range};

/// What a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept,
    Drop,
    Reject,
}

/// Reads one rule into a draft.
pub(super) struct Reader<'r, 'a> {
    table: &'r Table<'r>,
    cursor: Cursor<'r>,
    builder: &'r mut Builder<'a>,
    line: usize,
}

impl<'r, 'a> Reader<'r, 'a> {
    pub(super) fn new(
        table: &'r Table<'r>,
        words: &'r [Token],
        builder: &'r mut Builder<'a>,
    ) -> Self {
        Self {
            table,
            cursor: Cursor::new(words),
            builder,
            line: words.first().map_or(0, |token| token.line),
        }
    }

    /// Whether a rule lets packets through, or jumps to where that may happen.
    pub(super) fn passes(words: &[Token]) -> bool {
        let is_pass = |word: &str| matches!(word, "accept" | "jump" | "goto" | "vmap" | "return");
        words.iter().filter_map(Token::word).any(is_pass)
    }

    /// Adds the conditions to the draft; returns the verdict.
    pub(super) fn read(&mut self, draft: &mut Draft) -> Read<Verdict> {
        let mut verdict = None;
        while let Some(word) = self.cursor.next() {
            let decided = match word {
                "accept" => Verdict::Accept,
                "drop" => Verdict::Drop,
                "reject" => {
                    self.skip_reject();
                    Verdict::Reject
                }
                "comment" => {
                    draft.name = Some(self.cursor.value("comment")?.to_owned());
                    continue;
                }
                "counter" => {
                    self.skip_counter()?;
                    continue;
                }
                _ if verdict.is_some() => return Err(format!("`{word}` stands behind a verdict")),
                _ => {
                    self.condition(word, draft)?;
                    continue;
                }
            };
            if verdict.replace(decided).is_some() {
                return Err("it has two verdicts".to_owned());
            }
        }
        if !self.cursor.is_at_end() {
            return Err("braces where StormBolt's rules have nothing".to_owned());
        }
        verdict.ok_or_else(|| "it has no verdict, StormBolt's rules decide".to_owned())
    }

    /// `with icmpx type port-unreachable`, `with tcp reset`.
    fn skip_reject(&mut self) {
        if self.cursor.next_if("with") {
            while self.cursor.peek().is_some_and(|word| word != "comment") {
                self.cursor.next();
            }
        }
    }

    /// `packets 0 bytes 0`, `name "web"`, `"web"`, or nothing.
    fn skip_counter(&mut self) -> Read {
        if self.cursor.next_if("name") {
            self.cursor.value("name")?;
        } else {
            self.cursor.next_if_quoted();
        }
        for key in ["packets", "bytes"] {
            if self.cursor.next_if(key) {
                self.cursor.value(key)?;
            }
        }
        Ok(())
    }

    fn condition(&mut self, word: &str, draft: &mut Draft) -> Read {
        match word {
            "ip" => self.internet(Family::Ipv4, draft),
            "ip6" => self.internet(Family::Ipv6, draft),
            "tcp" => self.transport(Some(TCP), draft),
            "udp" => self.transport(Some(UDP), draft),
            "sctp" => self.transport(Some(SCTP), draft),
            "th" => self.transport(None, draft),
            "icmp" => self.icmp(Family::Ipv4, draft),
            "icmpv6" => self.icmp(Family::Ipv6, draft),
            "vlan" => match self.cursor.value("vlan")? {
                "id" => {
                    let ids = self.cursor.numbers("VLAN", number, (0, 4095))?;
                    draft.vlan(ids)
                }
                other => Err(no_field("vlan", other)),
            },
            "meta" => self.meta(draft),
            "iif" | "iifname" | "l4proto" | "nfproto" => self.meta_key(word, draft),
            other => Err(no_counterpart(other)),
        }
    }

    fn internet(&mut self, family: Family, draft: &mut Draft) -> Read {
        let field = self.cursor.value("ip")?;
        draft.family(family)?;
        match (field, family) {
            ("saddr", _) => self.addresses(Side::Source, family, draft),
            ("daddr", _) => self.addresses(Side::Destination, family, draft),
            ("protocol", Family::Ipv4) => self.protocol(draft),
            ("nexthdr", Family::Ipv6) => {
                let note = "`ip6 nexthdr` is the first header behind that of IPv6, StormBolt's \
                            `protocol` the one behind all extension headers";
                draft.notes.push(note.to_owned());
                self.protocol(draft)
            }
            ("dscp", _) => {
                let end = |text: &str| number(text).or_else(|| names::dscp(text));
                draft.dscp(self.cursor.numbers("code point", end, (0, 63))?)
            }
            ("length", Family::Ipv4) => self.length(draft),
            ("length", Family::Ipv6) => Err(
                "it is the length behind the header of IPv6, StormBolt compares lengths of frames"
                    .to_owned(),
            ),
            (other, Family::Ipv4) => Err(no_field("ip", other)),
            (other, Family::Ipv6) => Err(no_field("ip6", other)),
        }
    }

    fn addresses(&mut self, side: Side, family: Family, draft: &mut Draft) -> Read {
        let mut builder_set = |name: &str| -> Read<usize> {
            match self.table.sets.get(name)? {
                super::sets::Content::Addresses(known, prefixes) if *known == family => {
                    let key = format!("{:?} {} {name}", self.table.family, self.table.name);
                    self.builder.set(self.line, &key, name, Some(prefixes))
                }
                super::sets::Content::Addresses(..) | super::sets::Content::Ports(_) => {
                    Err(format!("set `{name}` has no {} addresses", family.name()))
                }
                super::sets::Content::Other(kind) => Err(format!(
                    "set `{name}` is of type `{kind}`, StormBolt's sets have prefixes"
                )),
            }
        };
        let addresses = self.cursor.addresses(family, &mut builder_set)?;
        draft.addresses(side, addresses)
    }

    fn transport(&mut self, protocol: Option<u8>, draft: &mut Draft) -> Read {
        let field = self.cursor.value("tcp")?;
        let side = match field {
            "sport" => Side::Source,
            "dport" => Side::Destination,
            "flags" if protocol == Some(TCP) => {
                return draft.tcp_flags(self.cursor.tcp_flags()?);
            }
            other => return Err(no_field("the transport header", other)),
        };
        match protocol {
            Some(protocol) => draft.protocol(Accepts::any_of(vec![protocol]))?,
            // Without it the bytes of any protocol are meant, where ports would be.
            None => draft.protocol(Accepts::any_of(vec![TCP, UDP, SCTP]))?,
        }
        draft.ports(side, self.ports()?)
    }

    fn ports(&mut self) -> Read<Accepts<Range<u16>>> {
        let Some((operator, name)) = self.cursor.set_reference() else {
            let what = "port number (`nft -nn list ruleset` prints those)";
            return self.cursor.numbers(what, number, (0, u16::MAX));
        };
        let negated = operator == Operator::NotEqual;
        match self.table.sets.get(&name)? {
            super::sets::Content::Ports(ports) if !ports.is_empty() => Ok(Accepts {
                negated,
                any_of: ports.clone(),
            }),
            super::sets::Content::Ports(_) => Err(format!("set `{name}` is empty")),
            super::sets::Content::Addresses(..) | super::sets::Content::Other(_) => {
                Err(format!("set `{name}` has no ports"))
            }
        }
    }

    fn icmp(&mut self, family: Family, draft: &mut Draft) -> Read {
        let (name, protocol) = match family {
            Family::Ipv4 => ("icmp", ICMP),
            Family::Ipv6 => ("icmpv6", ICMPV6),
        };
        let field = self.cursor.value(name)?;
        if field != "type" {
            return Err(no_field(name, field));
        }
        let named = match family {
            Family::Ipv4 => names::icmp,
            Family::Ipv6 => names::icmpv6,
        };
        let end = |text: &str| number(text).or_else(|| named(text));
        let types = self.cursor.numbers("ICMP type", end, (0, u8::MAX))?;
        draft.family(family)?;
        draft.protocol(Accepts::any_of(vec![protocol]))?;
        draft.icmp_type(types)
    }

    fn meta(&mut self, draft: &mut Draft) -> Read {
        let key = self.cursor.value("meta")?;
        self.meta_key(key, draft)
    }

    fn meta_key(&mut self, key: &str, draft: &mut Draft) -> Read {
        match key {
            "l4proto" => self.protocol(draft),
            "nfproto" | "protocol" => {
                let family = match (self.cursor.operator(), self.cursor.value(key)?) {
                    (Operator::Equal, "ipv4" | "ip") => Family::Ipv4,
                    (Operator::Equal, "ipv6" | "ip6") => Family::Ipv6,
                    (_, other) => {
                        return Err(format!(
                            "`{other}`: StormBolt's rules are about IPv4 and IPv6"
                        ));
                    }
                };
                draft.family(family)
            }
            "iif" | "iifname" => draft.interface(self.cursor.names()?),
            "length" => self.length(draft),
            "oif" | "oifname" => Err(no_counterpart("oif")),
            "mark" => Err(no_counterpart("mark")),
            other => Err(no_field("meta", other)),
        }
    }

    fn length(&mut self, draft: &mut Draft) -> Read {
        let lengths = self.cursor.numbers("length", number, (0, u16::MAX))?;
        let any_of = lengths.any_of.into_iter().map(frame_lengths);
        let any_of = any_of.collect::<Read<_>>()?;
        draft.notes.push(LENGTH_NOTE.to_owned());
        draft.length(Accepts {
            negated: lengths.negated,
            any_of,
        })
    }

    fn protocol(&mut self, draft: &mut Draft) -> Read {
        let end = |text: &str| number(text).or_else(|| names::protocol(text));
        let ranges = self.cursor.numbers("protocol", end, (0, u8::MAX))?;
        let each = ranges
            .any_of
            .iter()
            .flat_map(|range| range.first..=range.last);
        draft.protocol(Accepts {
            negated: ranges.negated,
            any_of: each.collect(),
        })
    }
}

fn no_field(of: &str, field: &str) -> String {
    format!("StormBolt's rules have no field for `{field}` of `{of}`")
}

fn no_counterpart(word: &str) -> String {
    let reason = match word {
        "ct" => "StormBolt looks at single packets and keeps no state of connections",
        "limit" | "quota" | "meter" | "add" | "update" | "delete" | "numgen" => {
            "StormBolt's rules do not count: rates belong to classes"
        }
        "jump" | "goto" | "return" | "continue" => "StormBolt's rules are one list, without chains",
        "log" | "nftrace" | "queue" | "dup" | "fwd" | "flow" => {
            "StormBolt's rules put packets into classes, pass or drop them"
        }
        "oif" | "oifname" => "StormBolt sees packets before it is known where they leave",
        "mark" | "fib" | "rt" | "socket" | "cgroup" | "skuid" | "skgid" => {
            "StormBolt sees packets before the kernel has routed or marked them"
        }
        "snat" | "dnat" | "masquerade" | "redirect" | "notrack" | "tproxy" => {
            "StormBolt does not change packets"
        }
        "udplite" | "dccp" => "StormBolt reads ports of TCP, UDP and SCTP",
        _ => "it has no counterpart in StormBolt's rules",
    };
    format!("`{word}`: {reason}")
}
