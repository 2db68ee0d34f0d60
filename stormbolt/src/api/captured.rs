//! Writes captured packets as documents.

use stormbolt_common::outcome::Outcome;
use stormbolt_common::sample::{NO_RULE, SampleHead};

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
            stands_for_halves: head.stands_for_halves,
            ip: sighting.packet.as_ref().map(headers),
            frame: hex(bytes),
        })
    }

    /// Asks for names that are not known.
    async fn learn(&mut self, head: &SampleHead) -> Option<()> {
        let is_known = self.generation == Some(head.generation)
            && self.asked.classes.contains(&head.verdict)
            && (head.rule == NO_RULE || self.asked.rules.contains(&head.rule));
        if is_known {
            return Some(());
        }
        if self.generation != Some(head.generation) {
            self.generation = Some(head.generation);
            self.asked = Wanted::default();
        }
        self.asked.classes.insert(head.verdict);
        if head.rule != NO_RULE {
            self.asked.rules.insert(head.rule);
        }
        let wanted = self.asked.clone();
        let handle = self.editor.handle();
        // A name less is better than no packet where the machine's thread is busy.
        match handle
            .ask(move |running| running.machine().named(&wanted))
            .await
        {
            Ok(named) => self.named = named,
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
