//! The prober: a thread that finds out what links whose rate is not known do.
//!
//! It asks the addresses that the policy names how long their answers take, and the devices how many frames
//! they have lost. It runs while there is a capacity that follows its link. The controller takes what it has
//! found out at each tick and never waits for it.

mod echo;
mod feed;
mod socket;
mod tasks;
#[cfg(test)]
mod tests;

use std::thread::{self, JoinHandle};

use stormbolt_control::observe::LinkSignals;
use stormbolt_control::policy::{Adaptive, Policy};
use tokio::sync::oneshot;

use feed::Feed;

/// What is to be found out about one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Followed {
    name: String,
    adaptive: Adaptive,
}

/// The prober. Dropping it ends its thread.
#[derive(Debug, Default)]
pub(super) struct Prober {
    /// By interface of the policy, what is found out about it.
    interfaces: Vec<Option<(Followed, Feed)>>,
    running: Option<Running>,
    /// Why nothing is found out.
    fault: Option<String>,
}

/// The thread; it ends when this is dropped.
#[derive(Debug)]
struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Prober {
    /// Goes over to the interfaces of `policy`. Where they are the same as before nothing changes.
    pub(super) fn follow(&mut self, policy: &Policy) {
        let followed: Vec<Option<Followed>> = policy
            .interfaces
            .iter()
            .map(|interface| {
                Some(Followed {
                    name: interface.name.clone(),
                    adaptive: interface.adaptive.clone()?,
                })
            })
            .collect();
        let before = self.interfaces.iter().map(|one| one.as_ref());
        let before = before.map(|one| one.map(|(followed, _)| followed));
        if before.eq(followed.iter().map(Option::as_ref)) && self.fault.is_none() {
            return;
        }
        // The old thread ends before another begins.
        self.running = None;
        self.fault = None;
        let with_feed = |followed: Followed| {
            let feed = Feed::new(followed.adaptive.probes.len());
            (followed, feed)
        };
        let interfaces = followed.into_iter().map(|one| one.map(with_feed));
        self.interfaces = interfaces.collect();
        let wanted: Vec<(Followed, Feed)> = self.interfaces.iter().flatten().cloned().collect();
        if wanted.is_empty() {
            return;
        }
        match Running::start(wanted) {
            Ok(running) => self.running = Some(running),
            Err(error) => {
                self.fault = Some(format!("no capacity follows its link: {error}"));
            }
        }
    }

    /// Whether there is something to find out.
    pub(super) fn is_wanted(&self) -> bool {
        self.running.is_some() || self.fault.is_some()
    }

    /// What was found out since the last call, by interface of the policy.
    pub(super) fn take(&self) -> Vec<LinkSignals> {
        let signals = |one: &Option<(Followed, Feed)>| match one {
            Some((_, feed)) => feed.take(),
            None => LinkSignals::default(),
        };
        self.interfaces.iter().map(signals).collect()
    }

    /// What the operator should know.
    pub(super) fn notices(&self) -> Vec<String> {
        let mut notices: Vec<String> = self.fault.iter().cloned().collect();
        let feeds = self.interfaces.iter().flatten();
        notices.extend(feeds.flat_map(|(_, feed)| feed.faults()));
        notices
    }
}

impl Running {
    fn start(followed: Vec<(Followed, Feed)>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let body = move || {
            runtime.block_on(async move {
                for (one, feed) in &followed {
                    for (probe, &address) in one.adaptive.probes.iter().enumerate() {
                        tokio::spawn(tasks::ask(one.clone(), probe, address, feed.clone()));
                    }
                }
                tokio::spawn(tasks::count_missed(followed));
                // Never sent, only dropped: that is the message. The tasks end with the runtime.
                drop(stopped.await);
            });
        };
        let thread = thread::Builder::new()
            .name("stormbolt-probe".to_owned())
            .spawn(body)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the prober's thread panicked");
        }
    }
}
