//! One rule while it is read, condition by condition.

use super::addresses::{Family, complement};
use super::names::{ICMP, ICMPV6, SCTP, TCP, UDP};
use crate::policy::{Accepts, Action, Addresses, FragmentMatch, Range, RuleMatch, TcpFlagsMatch};

/// Longest name of a Linux interface in bytes.
const MAX_INTERFACE_NAME: usize = 15;

/// Done, or why the line cannot be translated.
pub(super) type Read<T = ()> = Result<T, String>;

/// What was read of a rule so far. Conditions are joined by and.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// All but the interface.
    matches: RuleMatch,
    /// Interfaces by name.
    pub(super) interface: Option<Accepts<String>>,
    family: Option<Family>,
    /// Its name, if it has one.
    pub(super) name: Option<String>,
    /// Things to be known about it once it is translated.
    pub(super) notes: Vec<String>,
}

/// Where a packet comes from or where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

impl Draft {
    /// Asks for packets of one version of IP.
    pub(super) fn family(&mut self, family: Family) -> Read {
        if self.family.is_some_and(|known| known != family) {
            return Err("no packet is both IPv4 and IPv6".to_owned());
        }
        self.family = Some(family);
        Ok(())
    }

    pub(super) fn addresses(&mut self, side: Side, addresses: Addresses) -> Read {
        let (slot, what) = match side {
            Side::Source => (&mut self.matches.source, "source addresses"),
            Side::Destination => (&mut self.matches.destination, "destination addresses"),
        };
        put(slot, addresses, what)
    }

    pub(super) fn ports(&mut self, side: Side, ports: Accepts<Range<u16>>) -> Read {
        let (slot, what) = match side {
            Side::Source => (&mut self.matches.source_port, "source ports"),
            Side::Destination => (&mut self.matches.destination_port, "destination ports"),
        };
        put(slot, ports, what)
    }

    /// Asks for protocols, among those that were asked for already.
    pub(super) fn protocol(&mut self, wanted: Accepts<u8>) -> Read {
        let Some(known) = &mut self.matches.protocol else {
            return put(&mut self.matches.protocol, wanted, "protocols");
        };
        let has = |list: &Accepts<u8>, protocol| list.negated != list.any_of.contains(&protocol);
        match (known.negated, wanted.negated) {
            (false, _) => known.any_of.retain(|&protocol| has(&wanted, protocol)),
            (true, false) => {
                let mut both = wanted;
                both.any_of.retain(|&protocol| has(known, protocol));
                *known = both;
            }
            (true, true) => known.any_of.extend(wanted.any_of),
        }
        if known.any_of.is_empty() && !known.negated {
            return Err("no packet has two protocols".to_owned());
        }
        Ok(())
    }

    pub(super) fn dscp(&mut self, codes: Accepts<Range<u8>>) -> Read {
        put(&mut self.matches.dscp, codes, "code points")
    }

    pub(super) fn vlan(&mut self, tags: Accepts<Range<u16>>) -> Read {
        put(&mut self.matches.vlan, tags, "VLANs")
    }

    /// Asks for TCP, too.
    pub(super) fn tcp_flags(&mut self, flags: TcpFlagsMatch) -> Read {
        self.protocol(Accepts::any_of(vec![TCP]))?;
        if flags.set & !flags.mask != 0 {
            return Err("it asks for flags that it does not look at".to_owned());
        }
        match (flags.mask, flags.negated) {
            (0, false) => Ok(()),
            (0, true) => Err("no packet matches: it looks at no TCP flag".to_owned()),
            _ => put(&mut self.matches.tcp_flags, flags, "TCP flags"),
        }
    }

    pub(super) fn fragment(&mut self, places: Accepts<FragmentMatch>) -> Read {
        put(&mut self.matches.fragment, places, "fragments")
    }

    pub(super) fn icmp_type(&mut self, types: Accepts<Range<u8>>) -> Read {
        put(&mut self.matches.icmp_type, types, "ICMP types")
    }

    pub(super) fn length(&mut self, lengths: Accepts<Range<u16>>) -> Read {
        put(&mut self.matches.length, lengths, "lengths")
    }

    pub(super) fn interface(&mut self, names: Accepts<String>) -> Read {
        if let Some(name) = names.any_of.iter().find(|name| !is_interface(name)) {
            return Err(if name.ends_with(['+', '*']) {
                format!("`{name}` stands for many interfaces, and StormBolt's rules name each")
            } else {
                format!("`{name}` is not the name of an interface")
            });
        }
        put(&mut self.interface, names, "interfaces")
    }

    /// What the rule matches, interfaces aside.
    pub(super) fn finish(mut self) -> Read<RuleMatch> {
        if let Some(family) = self.family {
            ask_for_family(&mut self.matches, family)?;
        }
        possible(&self.matches)?;
        Ok(self.matches)
    }
}

fn put<T>(slot: &mut Option<T>, value: T, what: &str) -> Read {
    if slot.is_some() {
        return Err(format!(
            "it has two conditions on {what}, StormBolt's rules have one"
        ));
    }
    *slot = Some(value);
    Ok(())
}

fn is_interface(name: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '*' | '+');
    !name.is_empty()
        && name.len() <= MAX_INTERFACE_NAME
        && !matches!(name, "." | "..")
        && !name.starts_with('!')
        && !name.contains(odd)
}

/// Leaves only packets of one version of IP, by an address field: prefixes and sets have addresses
/// of one version, but everything else than a prefix includes all of the other.
fn ask_for_family(matches: &mut RuleMatch, family: Family) -> Read {
    let RuleMatch {
        source,
        destination,
        ..
    } = matches;
    let is_plain = |side: &Option<Addresses>| side.as_ref().is_some_and(|side| !side.negated);
    if is_plain(source) || is_plain(destination) {
        return Ok(());
    }
    let everything = || Some(Addresses::within(vec![family.everything()]));
    if source.is_none() {
        *source = everything();
        return Ok(());
    }
    if destination.is_none() {
        *destination = everything();
        return Ok(());
    }
    let without_sets = [source, destination]
        .into_iter()
        .flatten()
        .find(|side| side.sets.is_empty());
    let Some(side) = without_sets else {
        let name = family.name();
        return Err(format!(
            "everything but two sets is not only {name} in StormBolt"
        ));
    };
    let prefixes = complement(&side.prefixes, family);
    if prefixes.is_empty() {
        return Err("it excludes every address".to_owned());
    }
    *side = Addresses::within(prefixes);
    Ok(())
}

/// Refuses fields that no packet has together: a policy with such a rule is not valid.
fn possible(matches: &RuleMatch) -> Read {
    let ports = matches.source_port.is_some() || matches.destination_port.is_some();
    let carried = [
        (ports, "ports", [TCP, UDP, SCTP].as_slice()),
        (matches.tcp_flags.is_some(), "TCP flags", &[TCP]),
        (matches.icmp_type.is_some(), "ICMP types", &[ICMP, ICMPV6]),
    ];
    for (_, what, by) in carried.iter().filter(|(present, ..)| *present) {
        let Some(protocol) = &matches.protocol else {
            continue;
        };
        let possible = |number| protocol.negated != protocol.any_of.contains(number);
        if !by.iter().any(possible) {
            return Err(format!("StormBolt reads no {what} of that protocol"));
        }
    }
    let carried = carried.map(|(present, ..)| present);
    if matches!(carried, [true, _, true] | [_, true, true]) {
        return Err("no packet has both ICMP types and what TCP or UDP carry".to_owned());
    }
    let later = matches.fragment.as_ref().is_some_and(is_later_only);
    if later && carried.contains(&true) {
        return Err("later fragments have no transport header".to_owned());
    }
    Ok(())
}

fn is_later_only(places: &Accepts<FragmentMatch>) -> bool {
    !places.negated
        && places
            .any_of
            .iter()
            .all(|place| *place == FragmentMatch::Later)
}

/// A rule that was read.
#[derive(Clone, Debug)]
pub(super) struct Drafted {
    pub(super) line: usize,
    pub(super) name: Option<String>,
    pub(super) matches: RuleMatch,
    pub(super) interface: Option<Accepts<String>>,
    pub(super) action: Action,
}
