//! Notices what has changed since the last look, and puts it into words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::journal::Kind;
use crate::api::documents::{InterfaceStatus, Interfaces};

/// What was seen at the last look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookout {
    /// Mode and number of the attached interfaces, by name.
    attached: BTreeMap<String, (String, u32)>,
    /// Whether probes answered, by interface and address; those that never have are not in it.
    answering: BTreeMap<(String, IpAddr), bool>,
    notices: BTreeSet<String>,
}

impl Lookout {
    /// What has changed since the last look.
    pub(crate) fn look(
        &mut self,
        interfaces: &Interfaces,
        notices: &[String],
    ) -> Vec<(Kind, String)> {
        let mut changes = self.attachments(&interfaces.interfaces);
        changes.extend(self.probes(&interfaces.interfaces));
        changes.extend(self.notices(notices));
        changes
    }

    fn attachments(&mut self, interfaces: &[InterfaceStatus]) -> Vec<(Kind, String)> {
        let attached = interfaces.iter().filter(|one| one.mode != "detached");
        let attached = attached.map(|one| (one.name.clone(), (one.mode.clone(), one.ifindex)));
        let attached: BTreeMap<_, _> = attached.collect();
        let mut changes = Vec::new();
        for name in self.attached.keys() {
            if !attached.contains_key(name) {
                changes.push((Kind::Detached, format!("no longer attached to {name}")));
            }
        }
        for (name, now @ (mode, _)) in &attached {
            if self.attached.get(name) != Some(now) {
                changes.push((Kind::Attached, format!("attached to {name} in {mode} mode")));
            }
        }
        self.attached = attached;
        changes
    }

    fn probes(&mut self, interfaces: &[InterfaceStatus]) -> Vec<(Kind, String)> {
        let mut changes = Vec::new();
        let mut answering = BTreeMap::new();
        for interface in interfaces {
            for probe in interface.adaptive.iter().flat_map(|link| &link.probes) {
                let key = (interface.name.clone(), probe.address);
                let before = self.answering.get(&key).copied();
                let now = probe.queue_delay_microseconds.is_some();
                let (name, address) = (&interface.name, probe.address);
                match (before, now) {
                    (Some(true), false) => changes.push((
                        Kind::ProbeLost,
                        format!("interface {name}: probe {address} no longer answers"),
                    )),
                    (Some(false), true) => changes.push((
                        Kind::ProbeAnswers,
                        format!("interface {name}: probe {address} answers again"),
                    )),
                    (None | Some(true), true) | (None | Some(false), false) => {}
                }
                if before.is_some() || now {
                    answering.insert(key, now);
                }
            }
        }
        self.answering = answering;
        changes
    }

    fn notices(&mut self, notices: &[String]) -> Vec<(Kind, String)> {
        let notices: BTreeSet<String> = notices.iter().cloned().collect();
        let new = notices.difference(&self.notices);
        let gone = self.notices.difference(&notices);
        let changes = new
            .map(|notice| (Kind::Notice, notice.clone()))
            .chain(gone.map(|notice| (Kind::NoticeCleared, format!("over: {notice}"))));
        let changes = changes.collect();
        self.notices = notices;
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::fake::{adaptive_interfaces, interfaces};

    fn kinds(changes: &[(Kind, String)]) -> Vec<Kind> {
        changes.iter().map(|(kind, _)| *kind).collect()
    }

    #[test]
    fn attaching_and_detaching_is_noticed_once() {
        let mut lookout = Lookout::default();
        let mut now = interfaces();
        let first = lookout.look(&now, &[]);
        let expected = (Kind::Attached, "attached to eth0 in native mode".to_owned());
        assert_eq!(first, [expected]);
        assert_eq!(lookout.look(&now, &[]), []);
        now.interfaces[0].mode = "detached".to_owned();
        assert_eq!(kinds(&lookout.look(&now, &[])), [Kind::Detached]);
        now.interfaces[0].mode = "generic".to_owned();
        assert_eq!(kinds(&lookout.look(&now, &[])), [Kind::Attached]);
        now.interfaces.clear();
        assert_eq!(kinds(&lookout.look(&now, &[])), [Kind::Detached]);
    }

    #[test]
    fn an_interface_made_anew_is_attached_anew() {
        let mut lookout = Lookout::default();
        let mut now = interfaces();
        lookout.look(&now, &[]);
        now.interfaces[0].ifindex += 1;
        assert_eq!(kinds(&lookout.look(&now, &[])), [Kind::Attached]);
    }

    #[test]
    fn a_probe_is_lost_only_when_it_has_answered() {
        let mut lookout = Lookout::default();
        let mut now = adaptive_interfaces();
        // The second probe has never answered, which is a notice's to say.
        assert_eq!(kinds(&lookout.look(&now, &[])), [Kind::Attached]);
        now.interfaces[0].adaptive.as_mut().unwrap().probes[0].queue_delay_microseconds = None;
        let lost = lookout.look(&now, &[]);
        assert_eq!(kinds(&lost), [Kind::ProbeLost]);
        assert!(lost[0].1.contains("192.0.2.1"), "{lost:?}");
        now.interfaces[0].adaptive.as_mut().unwrap().probes[0].queue_delay_microseconds = Some(1);
        assert_eq!(kinds(&lookout.look(&now, &[])), [Kind::ProbeAnswers]);
    }

    #[test]
    fn notices_come_and_go() {
        let mut lookout = Lookout::default();
        let nothing = Interfaces {
            version: 1,
            interfaces: Vec::new(),
        };
        let notices = ["slow".to_owned()];
        assert_eq!(
            lookout.look(&nothing, &notices),
            [(Kind::Notice, "slow".to_owned())]
        );
        assert_eq!(lookout.look(&nothing, &notices), []);
        assert_eq!(kinds(&lookout.look(&nothing, &[])), [Kind::NoticeCleared]);
    }
}
