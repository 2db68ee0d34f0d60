//! Answers what becomes of a packet: the loaded program says it, the policy's text says why.

use stormbolt_common::explain::{BY_DEFAULT, BY_RULE, Explained};
use stormbolt_common::outcome::Outcome;
use stormbolt_common::policy::{VERDICT_DROP, VERDICT_PASS, VERDICT_SHADOW_DROP};
use stormbolt_common::steer::{cpu_of_entry, slot};
use stormbolt_control::explain::{Field, Packet, Why};
use stormbolt_control::policy::{Action, Malformed, Rule};
use stormbolt_control::units::{BitsPerSecond, Nanoseconds};
use stormbolt_ebpf::parse::{Headers, parse};
use stormbolt_ebpf::steer::{Flow, flow_hash};

use super::describe::{accepted, describe};
use super::engine::Engine;
use super::error::ExplainError;
use super::headroom::{BucketsNow, tokens};
use super::packet_words::{meaning, packet_of, place_name, values};
use crate::api::documents::DOCUMENT_VERSION;
use crate::api::explanation::{
    Explanation, FailedField, FailedFirst, Headroom, MatchedRule, NearMiss, NotClassified, Steering,
};
use crate::config::words::write_protocol;
use crate::explain::hex;

/// How often the program is asked before a disagreement is believed: before Linux 6.11 packets that
/// arrive can interrupt a test run on their CPU, and then leave their header values in its place.
const ATTEMPTS: u32 = 4;

/// A packet to be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The interface; may be left out where the policy has only one.
    pub interface: Option<String>,
    /// The frame, of a length that [`crate::datapath::EXPLAINED_FRAME_BYTES`] has.
    pub frame: Vec<u8>,
    /// Near misses that are named.
    pub limit: usize,
}

/// Where a packet ends, as the program or the policy's text sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    /// At the rule at this position, if any has what the program said.
    Rule(Option<usize>),
    Default,
    NotClassified(Outcome),
}

impl Engine {
    /// Says what becomes of a frame and why, at time `now`. Counts, spends and steers nothing.
    ///
    /// # Errors
    /// The interface is not one of the policy's, or the kernel refuses.
    pub fn explain(
        &mut self,
        asked: &Asked,
        now: Nanoseconds,
    ) -> Result<Explanation, ExplainError> {
        let interface = self.position_of(asked.interface.as_deref())?;
        let name = self.interface_name(interface);
        let attachment = self.attachments.get(&name);
        let attachment = attachment.filter(|attachment| attachment.is_on(&name));
        let ifindex = attachment
            .ok_or_else(|| ExplainError::NotAttached { name: name.clone() })?
            .ifindex;

        let headers = parse(&asked.frame[..]);
        let length = u32::try_from(asked.frame.len()).unwrap_or(u32::MAX);
        let packet = headers.map(|headers| packet_of(&headers, length, interface));
        let why = packet.map(|packet| self.why(&packet, asked.limit));
        let expected = match &why {
            Ok(why) => why
                .first_match
                .map_or(Decision::Default, |at| Decision::Rule(Some(at))),
            Err(error) => Decision::NotClassified(self.of_malformed(error.outcome())),
        };
        let (said, decision) = self.ask(&asked.frame, ifindex, expected)?;

        let class = self.class_of(&said, decision);
        let described = |packet: &Packet| self.described(packet, why.as_ref().ok());
        Ok(Explanation {
            version: DOCUMENT_VERSION,
            generation: said.generation,
            frame: hex(&asked.frame),
            packet: packet.ok().as_ref().map(values),
            headroom: class
                .map(|class| self.headroom(interface, class, now, length))
                .transpose()?
                .flatten(),
            per_source_bits_per_second: class
                .and_then(|class| self.policy.classes.get(class)?.per_source)
                .map(|per_source| per_source.rate),
            steering: class
                .zip(headers.ok())
                .map(|(class, headers)| self.steering(class, &headers)),
            class: class.map(|class| self.class_name(class)),
            near_misses: packet.ok().as_ref().map(described).unwrap_or_default(),
            rules_before: match (&why, decision) {
                (Err(_), _) | (_, Decision::NotClassified(_)) => 0,
                (Ok(why), _) => match why.first_match {
                    Some(at) => self.rules.own_position(at).unwrap_or(0),
                    None => self.policy.rules.len(),
                },
            },
            others: why.iter().flat_map(others).collect(),
            disagreement: (decision != expected)
                .then(|| self.disagreement(&said, decision, expected)),
            interface: name,
            ..self.decided(&said, decision)
        })
    }

    /// Asks the program until it says what is expected, or has not often enough.
    fn ask(
        &mut self,
        frame: &[u8],
        ifindex: u32,
        expected: Decision,
    ) -> Result<(Explained, Decision), ExplainError> {
        let mut answer = self.ask_once(frame, ifindex)?;
        for _ in 1..ATTEMPTS {
            if answer.1 == expected {
                break;
            }
            answer = self.ask_once(frame, ifindex)?;
        }
        Ok(answer)
    }

    fn ask_once(
        &mut self,
        frame: &[u8],
        ifindex: u32,
    ) -> Result<(Explained, Decision), ExplainError> {
        let said = self.datapath.explain(frame, ifindex)?;
        let decision = match said.reason {
            BY_RULE => {
                let mut numbers = self.numbers.rules.numbers.iter();
                let position = numbers.position(|number| *number == said.counter);
                // Of the right rule, but with another action: as wrong as another rule.
                let rule = position.and_then(|at| Some((at, self.rules.all().get(at)?)));
                let same = rule.filter(|(_, rule)| self.verdict(rule.action) == Some(said.verdict));
                Decision::Rule(same.map(|(at, _)| at))
            }
            BY_DEFAULT => Decision::Default,
            _ => Decision::NotClassified(said.outcome().unwrap_or(Outcome::Unconfigured)),
        };
        Ok((said, decision))
    }

    fn verdict(&self, action: Action) -> Option<u32> {
        match action {
            Action::Class(class) => self.numbers.classes.get(class).copied(),
            Action::Pass => Some(VERDICT_PASS),
            Action::Drop => Some(VERDICT_DROP),
            Action::ShadowDrop => Some(VERDICT_SHADOW_DROP),
        }
    }

    fn position_of(&self, name: Option<&str>) -> Result<usize, ExplainError> {
        let interfaces = &self.policy.interfaces;
        let known = || {
            let names: Vec<String> = interfaces
                .iter()
                .map(|one| format!("`{}`", one.name))
                .collect();
            names.join(", ")
        };
        match name {
            Some(name) => interfaces
                .iter()
                .position(|one| one.name == name)
                .ok_or_else(|| ExplainError::NoInterface {
                    name: name.to_owned(),
                    known: known(),
                }),
            None if interfaces.len() == 1 => Ok(0),
            None => Err(ExplainError::WhichInterface { known: known() }),
        }
    }

    fn interface_name(&self, position: usize) -> String {
        let interface = self.policy.interfaces.get(position);
        interface.map(|one| one.name.clone()).unwrap_or_default()
    }

    /// What becomes of a frame that the parser does not take.
    fn of_malformed(&self, outcome: Outcome) -> Outcome {
        if outcome.is_drop() && self.policy.malformed == Malformed::Pass {
            Outcome::MalformedPassed
        } else {
            outcome
        }
    }

    /// Position of the class that the program has put the packet into.
    fn class_of(&self, said: &Explained, decision: Decision) -> Option<usize> {
        match decision {
            Decision::NotClassified(_) => None,
            Decision::Rule(_) | Decision::Default => {
                let mut numbers = self.numbers.classes.iter();
                numbers.position(|number| *number == said.verdict)
            }
        }
    }

    /// What the program has decided; the other parts are empty.
    fn decided(&self, said: &Explained, decision: Decision) -> Explanation {
        let matched = |at: usize| {
            let rule = self.rules.all().get(at)?;
            Some(MatchedRule {
                position: self.rule_position(at),
                name: rule.name.clone(),
                matches: describe(&rule.matches, &self.policy),
            })
        };
        let (decided_by, rule, outcome) = match decision {
            Decision::Rule(Some(at)) if self.rules.own_position(at).is_none() => {
                ("built-in", matched(at), None)
            }
            Decision::Rule(at) => ("rule", at.and_then(matched), None),
            Decision::Default => ("default", None, None),
            Decision::NotClassified(outcome) => ("none", None, Some(outcome)),
        };
        let action = match (outcome, said.verdict) {
            (Some(outcome), _) if outcome.is_drop() => "drop",
            (Some(_), _) | (None, VERDICT_PASS) => "pass",
            (None, VERDICT_DROP) => "drop",
            (None, _) => "class",
        };
        Explanation {
            decided_by: decided_by.to_owned(),
            rule,
            action: action.to_owned(),
            not_classified: outcome.map(|outcome| NotClassified {
                outcome: outcome.name().to_owned(),
                meaning: meaning(outcome).to_owned(),
            }),
            ..Explanation::default()
        }
    }

    fn described(&self, packet: &Packet, why: Option<&Why>) -> Vec<NearMiss> {
        let nearest = why.iter().flat_map(|why| &why.nearest);
        let described = nearest.filter_map(|miss| {
            let rule: &Rule = self.rules.all().get(miss.position)?;
            let failed = miss.failing.iter().map(|field| FailedField {
                field: field.key().to_owned(),
                wants: accepted(field, &rule.matches, &self.policy).unwrap_or_default(),
                has: self.value(field, packet),
            });
            Some(NearMiss {
                position: self.rule_position(miss.position),
                name: rule.name.clone(),
                action: self.action_name(rule.action),
                failed: failed.collect(),
            })
        });
        described.collect()
    }

    /// The packet's value of a field; `none` where it has none.
    fn value(&self, field: Field, packet: &Packet) -> String {
        let values = values(packet);
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let text = match field {
            Field::Source => Some(values.src.to_string()),
            Field::Destination => Some(values.dst.to_string()),
            Field::Protocol => Some(write_protocol(values.protocol)),
            Field::SourcePort => number(values.src_port.map(u64::from)),
            Field::DestinationPort => number(values.dst_port.map(u64::from)),
            Field::Dscp => Some(values.dscp.to_string()),
            Field::Vlan => number(values.vlan.map(u64::from)),
            Field::TcpFlags => values.tcp_flags,
            Field::Fragment => Some(place_name(values.fragment).to_owned()),
            Field::IcmpType => number(values.icmp_type.map(u64::from)),
            Field::Length => Some(values.length_bytes.to_string()),
            Field::Interface => Some(self.interface_name(packet.interface)),
        };
        text.unwrap_or_else(|| "none".to_owned())
    }

    fn headroom(
        &self,
        interface: usize,
        class: usize,
        now: Nanoseconds,
        length: u32,
    ) -> Result<Option<Headroom>, ExplainError> {
        let Some(cell) = self.numbers.cell(interface, class) else {
            return Ok(None);
        };
        let of = |all: &[Vec<BitsPerSecond>]| all.get(interface)?.get(class).copied();
        let demands = self.controller.demands();
        let demand = demands.get(interface).and_then(|row| row.get(class));
        let (Some(entry), Some(rate), Some(demand)) = (
            self.datapath.rate(cell),
            of(self.controller.rates()),
            demand,
        ) else {
            return Ok(None);
        };
        let number = self.numbers.interfaces.get(interface);
        let number = number.copied().unwrap_or_default();
        let buckets = BucketsNow {
            own: self.datapath.bucket(cell)?,
            shared: self.datapath.interface_bucket(number)?,
            interface: self.datapath.interface_rate(number).unwrap_or_default(),
            leased_credit: self.datapath.leased_credit(cell),
        };
        let tokens = tokens(&entry, &buckets, now, u64::from(length));
        Ok(Some(Headroom {
            rate_bits_per_second: rate,
            passed_bits_per_second: demand.passed,
            left_bits_per_second: BitsPerSecond(rate.0.saturating_sub(demand.passed.0)),
            bucket_bytes: tokens.bucket_bytes,
            burst_bytes: tokens.burst_bytes,
            leased_bytes: tokens.leased_bytes,
            passes_now: tokens.passes,
        }))
    }

    fn steering(&self, class: usize, headers: &Headers) -> Steering {
        let cpus = self.policy.classes.get(class);
        let cpus = cpus.and_then(|class| class.cpus.as_ref());
        let set = self.controller.cpu_set_of(class);
        let set = set.and_then(|set| self.numbers.cpu_sets.get(set));
        let cpu = set.and_then(|&set| {
            let hash = flow_hash(&Flow::of(headers), self.datapath.hash_seed());
            cpu_of_entry(self.datapath.slot_entry(slot(set, hash)))
        });
        Steering {
            cpus: cpus
                .map(|set| set.0.iter().copied().collect())
                .unwrap_or_default(),
            cpu,
        }
    }

    fn disagreement(&self, said: &Explained, decision: Decision, expected: Decision) -> String {
        let rule = |at: usize| {
            let rule = self.rules.all().get(at);
            let name = rule.map(|rule| rule.name.as_str()).unwrap_or_default();
            match self.rules.own_position(at) {
                Some(own) => format!("rule {} (`{name}`)", own + 1),
                None => format!("the {name}"),
            }
        };
        let written = |decision: Decision| match decision {
            Decision::Rule(Some(at)) => rule(at),
            Decision::Rule(None) => format!(
                "counter {} and verdict {:#x}, which no rule has",
                said.counter, said.verdict
            ),
            Decision::Default => "no rule".to_owned(),
            Decision::NotClassified(outcome) => format!("not classified, {}", outcome.name()),
        };
        format!(
            "the loaded program finds {}, the policy's text {}. This is a bug of StormBolt; please \
             report it with this answer and the policy",
            written(decision),
            written(expected)
        )
    }
}

fn others(why: &Why) -> Vec<FailedFirst> {
    let others = why.others.iter().map(|(field, rules)| FailedFirst {
        field: field.key().to_owned(),
        rules: *rules,
    });
    others.collect()
}

#[cfg(test)]
mod tests;
