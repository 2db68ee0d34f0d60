//! Writes captured packets as documents.

use std::collections::BTreeSet;

use stormbolt_common::outcome::Outcome;
use stormbolt_common::sample::{NO_RULE, NOT_CLASSIFIED, SampleHead};

use super::documents::{CapturedIp, CapturedPacket};
use super::edit::Editor;
use crate::apply::{Named, Wanted};
use crate::config::words;
use crate::daemon::{Unanswered, clock};
use crate::explain::hex;
use crate::sampling::{Packet, Sighting, address, outcome};
use crate::telemetry::Journal;

/// Knows the names of what packets have as numbers. Asks the machine's thread for those that it does not know, and all
/// of them again when another policy is in force.
pub(super) struct Scribe {
    editor: Editor,
    generation: Option<u32>,
    asked: Wanted,
    named: Named,
    /// Devices whose names were asked for.
    interfaces: BTreeSet<u32>,
    /// What the clock on the wall is ahead of the monotonic one, in nanoseconds.
    ahead: u64,
}

impl Scribe {
    pub(super) fn new(editor: Editor) -> Self {
        let wall = clock::wall().as_nanosecond();
        let ahead = wall - i128::from(clock::now().0);
        Self {
            editor,
            generation: None,
            asked: Wanted::default(),
            named: Named::default(),
            interfaces: BTreeSet::new(),
            ahead: u64::try_from(ahead).unwrap_or(0),
        }
    }

    /// Tells when the daemon ends.
    pub(super) fn journal(&self) -> Journal {
        self.editor.handle().journal().clone()
    }

    /// A packet with names; `None`: the daemon ends.
    pub(super) async fn write(&mut self, sighting: &Sighting) -> Option<CapturedPacket> {
        let head = sighting.sample.head;
        self.learn(&head).await?;
        let outcome = outcome(head.outcome);
        let taken = usize::try_from(head.taken_bytes).unwrap_or(0);
        let bytes = sighting.sample.bytes.get(..taken).unwrap_or_default();
        let interface = self.named.interfaces.get(&head.ifindex).cloned();
        Some(CapturedPacket {
            unix_nanoseconds: head.time_ns.saturating_add(self.ahead),
            interface: interface.unwrap_or_else(|| format!("interface {}", head.ifindex)),
            cpu: head.cpu,
            frame_bytes: head.frame_bytes,
            class: self.named.classes.get(&head.verdict).cloned(),
            rule: self.named.rules.get(&head.rule).cloned(),
            outcome: outcome.map_or("unknown", Outcome::name).to_owned(),
            dropped: outcome.is_some_and(Outcome::is_drop),
            stands_for_halves: sighting.stands_for_halves,
            ip: sighting.packet.as_ref().map(headers),
            frame: hex(bytes),
        })
    }

    /// Asks for names that are not known. What is remembered changes only with the answer.
    async fn learn(&mut self, head: &SampleHead) -> Option<()> {
        let (verdict, rule) = (head.verdict, head.rule);
        // What was not classified has no names, whichever policy it came under.
        let is_other = verdict != NOT_CLASSIFIED && self.generation != Some(head.generation);
        let is_known = !is_other
            && (verdict == NOT_CLASSIFIED || self.asked.classes.contains(&verdict))
            && (rule == NO_RULE || self.asked.rules.contains(&rule))
            && self.interfaces.contains(&head.ifindex);
        if is_known {
            return Some(());
        }
        let mut wanted = if is_other {
            Wanted::default()
        } else {
            self.asked.clone()
        };
        if verdict != NOT_CLASSIFIED {
            wanted.classes.insert(verdict);
        }
        if rule != NO_RULE {
            wanted.rules.insert(rule);
        }
        let handle = self.editor.handle();
        let asked = wanted.clone();
        let answer = handle
            .ask(move |running| running.machine().named(&asked))
            .await;
        match answer {
            Ok(named) => {
                self.named = named;
                self.asked = wanted;
                self.interfaces.insert(head.ifindex);
                if is_other {
                    self.generation = Some(head.generation);
                    self.interfaces = [head.ifindex].into();
                }
            }
            // A name less is better than no packet where the machine's thread is busy, and than a wrong one.
            Err(Unanswered::Busy) if is_other => self.named = Named::default(),
            Err(Unanswered::Busy) => {}
            Err(Unanswered::Stopping) => return None,
        }
        Some(())
    }
}

fn headers(packet: &Packet) -> CapturedIp {
    let flow = &packet.flow;
    CapturedIp {
        source: address(flow.source),
        destination: address(flow.destination),
        protocol: words::write_protocol(flow.protocol),
        source_port: flow.ports.map(|(source, _)| source),
        destination_port: flow.ports.map(|(_, destination)| destination),
        tcp_flags: packet.tcp_flags.map(words::write_tcp_flags),
    }
}
