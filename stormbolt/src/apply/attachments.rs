//! Which interfaces the program runs on: those of the policy, as they come and go.

use stormbolt_control::policy::{AttachMode, Interface, Policy};

use super::engine::Engine;
use super::error::ApplyError;
use crate::causes::with_causes;
use crate::datapath::{AttachedMode, Attachment, DatapathError};

/// Why an interface is not attached that an operator has asked to leave alone.
const DETACHED: &str = "`stormbolt detach` was asked for; `stormbolt attach` ends that";

impl Engine {
    /// Follows what has become of the interfaces: lets go of those that are gone and attaches to those that
    /// have come, by name.
    pub fn follow_links(&mut self) {
        self.forget_vanished();
        let wanted = self.policy.interfaces.clone();
        for (interface, number) in wanted.into_iter().zip(self.numbers.interfaces.clone()) {
            if !self.attachments.contains_key(&interface.name) {
                match self.attach_or_say_why(&interface) {
                    Some(attachment) => self.see(&interface.name, attachment, number),
                    None => continue,
                }
            }
            self.follow_ports(&interface.name, number);
        }
    }

    /// Takes the program off the interfaces with these names, or off all of them, until [`Self::attach_again`].
    ///
    /// # Errors
    /// The policy has no such interface; nothing is changed.
    pub fn detach(&mut self, names: &[String]) -> Result<(), ApplyError> {
        for name in self.chosen(names)? {
            if let Some(attachment) = self.attachments.remove(&name) {
                self.forget(&attachment);
            }
            self.absent.insert(name.clone(), DETACHED.to_owned());
            self.detached.insert(name);
        }
        Ok(())
    }

    /// Ends what [`Self::detach`] began, for these interfaces or for all.
    ///
    /// # Errors
    /// The policy has no such interface, or one cannot be attached to; the others are.
    pub fn attach_again(&mut self, names: &[String]) -> Result<(), ApplyError> {
        for name in self.chosen(names)? {
            self.detached.remove(&name);
        }
        self.follow_links();
        let failed = self.chosen(names)?.into_iter();
        let mut failed = failed.filter_map(|name| {
            let reason = self.absent.get(&name)?.clone();
            Some(ApplyError::NotAttached { name, reason })
        });
        failed.next().map_or(Ok(()), Err)
    }

    /// Lets everything that is attached outlive this engine, if it is pinned.
    pub fn leave(&mut self) {
        self.datapath.leave();
        for (_, attachment) in std::mem::take(&mut self.attachments) {
            attachment.leave();
        }
    }

    /// Attaches to the interfaces that `policy` has and the one in force does not. Those on which the program of
    /// a daemon before runs go over later; those that were there and are gone are waited for.
    pub(super) fn attach_new(
        &mut self,
        policy: &Policy,
    ) -> Result<Vec<(String, Attachment)>, DatapathError> {
        self.forget_vanished();
        let mut attached = Vec::new();
        for interface in &policy.interfaces {
            let name = &interface.name;
            if self.attachments.contains_key(name)
                || self.detached.contains(name)
                || self.datapath.is_inherited(name)?
            {
                continue;
            }
            match self.datapath.attach(name, interface.mode) {
                Ok(attachment) => attached.push((name.clone(), attachment)),
                Err(error @ DatapathError::NoInterface { .. })
                    if self.numbers.interface_ids.has(name) =>
                {
                    self.absent.insert(name.clone(), error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(attached)
    }

    /// Lets the interfaces of the policy be seen, and lets go of those that are not in it.
    pub(super) fn settle_interfaces(&mut self) {
        self.notices.clear();
        let policy = &self.policy;
        let is_named = |name: &String| policy.interfaces.iter().any(|one| one.name == *name);
        let gone = self.attachments.extract_if(.., |name, _| !is_named(name));
        let gone: Vec<Attachment> = gone.map(|(_, attachment)| attachment).collect();
        self.absent.retain(|name, _| is_named(name));
        self.detached.retain(is_named);
        for attachment in &gone {
            self.forget(attachment);
        }
        drop(gone);
        let interfaces = self.policy.interfaces.clone();
        for (interface, number) in interfaces.into_iter().zip(self.numbers.interfaces.clone()) {
            self.take_over(&interface, number);
            self.settle_mode(&interface);
            if let Some(attachment) = self.attachments.remove(&interface.name) {
                self.see(&interface.name, attachment, number);
            }
        }
    }

    /// What the operator should know of interfaces that are not attached.
    pub(super) fn absent_notices(&self) -> impl Iterator<Item = String> {
        let absent = self.absent.iter();
        absent.map(|(name, reason)| format!("interface {name} is not attached: {reason}"))
    }

    /// Replaces the program that a daemon before has left on an interface by ours.
    fn take_over(&mut self, interface: &Interface, number: u32) {
        let name = &interface.name;
        if self.attachments.contains_key(name) || !self.datapath.is_inherited(name).unwrap_or(false)
        {
            return;
        }
        let taken = self.datapath.take_over(name, number).or_else(|error| {
            self.notices.push(format!(
                "interface {name} was without the program for a moment: what was left there cannot be \
                 replaced ({})",
                with_causes(&error)
            ));
            self.datapath.release_inherited(name)?;
            self.datapath.attach(name, interface.mode)
        });
        match taken {
            Ok(mut attachment) => {
                if attachment.mode == AttachedMode::Generic && interface.mode == AttachMode::Auto {
                    attachment.fallback = Some("as the daemon before has found".to_owned());
                }
                self.attachments.insert(name.clone(), attachment);
            }
            Err(error) => {
                self.absent.insert(name.clone(), with_causes(&error));
            }
        }
    }

    fn attach_or_say_why(&mut self, interface: &Interface) -> Option<Attachment> {
        let name = &interface.name;
        if self.detached.contains(name) {
            return None;
        }
        match self.datapath.attach(name, interface.mode) {
            Ok(attachment) => Some(attachment),
            Err(error) => {
                self.absent.insert(name.clone(), with_causes(&error));
                None
            }
        }
    }

    /// Lets the packets of an attached interface be seen as those of interface `number` of the tables.
    fn see(&mut self, name: &str, attachment: Attachment, number: u32) {
        for &ifindex in attachment.arrivals() {
            self.datapath.set_interface(ifindex, Some(number));
        }
        self.absent.remove(name);
        self.attachments.insert(name.to_owned(), attachment);
    }

    /// The packets of an interface are no longer ours.
    fn forget(&self, attachment: &Attachment) {
        for &ifindex in attachment.arrivals() {
            self.datapath.set_interface(ifindex, None);
        }
    }

    /// Ports come to a bond and leave it.
    fn follow_ports(&mut self, name: &str, number: u32) {
        let Some(attachment) = self.attachments.get_mut(name) else {
            return;
        };
        for ifindex in attachment.renew_arrivals() {
            self.datapath.set_interface(ifindex, None);
        }
        for &ifindex in attachment.arrivals() {
            self.datapath.set_interface(ifindex, Some(number));
        }
    }

    /// Lets go of interfaces that are gone, or have been made anew under the same name: the kernel has
    /// detached the program from them.
    fn forget_vanished(&mut self) {
        let gone = |name: &String, attachment: &Attachment| !attachment.is_on(name);
        let gone = self
            .attachments
            .extract_if(.., |name, one| gone(name, one))
            .collect::<Vec<_>>();
        for (name, attachment) in gone {
            self.forget(&attachment);
            let reason = "it is gone, or another one has its name".to_owned();
            self.absent.insert(name, reason);
        }
    }

    /// Attaches anew where the policy asks for another mode than the one that runs.
    fn settle_mode(&mut self, interface: &Interface) {
        let wanted = match interface.mode {
            AttachMode::Auto => return,
            AttachMode::Native => AttachedMode::Native,
            AttachMode::Generic => AttachedMode::Generic,
        };
        let name = &interface.name;
        if self
            .attachments
            .get(name)
            .is_none_or(|attachment| attachment.mode == wanted)
        {
            return;
        }
        self.attachments.remove(name);
        let attached = self.datapath.attach(name, interface.mode).or_else(|error| {
            self.notices.push(format!(
                "interface {name} keeps the mode that it can: {} mode is not possible ({error})",
                wanted.name()
            ));
            self.datapath.attach(name, AttachMode::Auto)
        });
        match attached {
            Ok(attachment) => {
                self.attachments.insert(name.clone(), attachment);
            }
            Err(error) => {
                self.absent.insert(name.clone(), with_causes(&error));
            }
        }
    }

    /// The interfaces of these names, or all of the policy.
    fn chosen(&self, names: &[String]) -> Result<Vec<String>, ApplyError> {
        let known: Vec<String> = (self.policy.interfaces.iter())
            .map(|one| one.name.clone())
            .collect();
        if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
            return Err(ApplyError::NoSuchInterface {
                name: unknown.clone(),
                known: known.join(", "),
            });
        }
        Ok(if names.is_empty() {
            known
        } else {
            names.to_vec()
        })
    }
}
