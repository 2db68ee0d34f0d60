//! What the daemon runs.

use std::error::Error;

use stormbolt_control::compile::Watch;
use stormbolt_control::observe::LinkSignals;
use stormbolt_control::policy::Policy;
use stormbolt_control::units::Nanoseconds;

use crate::api::documents::{Classes, Cpus, Interfaces, Rules, Sources};
use crate::api::explanation::Explanation;
use crate::apply::{ApplyError, Asked, ExplainError, FixedSizes, Named, Wanted};
use crate::datapath::Samples;
use crate::telemetry::Counted;
use crate::telemetry::documents::Tables;

/// Any error that may cross threads.
pub type BoxedError = Box<dyn Error + Send + Sync>;

/// A data path under a policy. It lives on one thread; dropping it detaches everything, unless it was told to
/// leave it.
pub trait Machine {
    /// Looks at what has become of the interfaces.
    fn follow_links(&mut self);

    /// Takes the program off these interfaces or off all, or puts it back.
    ///
    /// # Errors
    ///
    /// When there is no such interface, or it cannot be attached to.
    fn set_attached(&mut self, names: &[String], attached: bool) -> Result<(), BoxedError>;

    /// Lets what is attached outlive the machine.
    fn leave(&mut self);

    /// Takes over what is known of the links, by interface of the policy in force; the next tick acts on it.
    fn sense(&mut self, signals: Vec<LinkSignals>);

    /// Runs one interval of the controller at time `now`.
    fn tick(&mut self, now: Nanoseconds);

    /// Puts a policy into force as a whole and returns its generation, unless `watch` wants to give up
    /// before it is compiled.
    ///
    /// # Errors
    ///
    /// When this machine cannot run the policy, and [`crate::apply::ApplyError::GivenUp`]; the one in
    /// force stays.
    fn apply(&mut self, policy: Policy, watch: &mut dyn Watch) -> Result<u32, BoxedError>;

    /// How large the tables are that no policy changes.
    fn table_sizes(&self) -> FixedSizes;

    /// The policy in force.
    fn policy(&self) -> &Policy;

    /// Its generation.
    fn generation(&self) -> u32;

    /// What the operator should know, for example a fallback to generic mode.
    fn notices(&self) -> Vec<String>;

    /// The interfaces and what arrived on them.
    fn interfaces(&self) -> Interfaces;

    /// The classes and their traffic.
    fn classes(&self) -> Classes;

    /// The rules and what they matched.
    fn rules(&self) -> Rules;

    /// The CPUs and their load.
    fn cpus(&self) -> Cpus;

    /// The packets that the data path shows, for whoever reads them; once. `None`: it shows none.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    fn samples(&mut self) -> Result<Option<Samples>, BoxedError>;

    /// Names of interfaces, and of what is wanted.
    fn named(&self, wanted: &Wanted) -> Named;

    /// The number of a class.
    fn class_number(&self, name: &str) -> Option<u32>;

    /// The sources that were refused.
    fn sources(&self) -> Sources;

    /// How full the tables are.
    fn tables(&self) -> Tables;

    /// The classes and rules that metrics are made of, so many of each at most.
    fn counted(&self, limit: usize) -> Counted;

    /// From when on the data path takes the controller to be silent.
    fn silent_from(&self) -> Nanoseconds;

    /// What becomes of a packet, and why, at time `now`. Changes nothing.
    ///
    /// # Errors
    ///
    /// When the packet cannot be asked about.
    fn explain(&mut self, asked: &Asked, now: Nanoseconds) -> Result<Explanation, ExplainError>;
}

/// Whether a change was given up because that was wanted.
pub(crate) fn given_up(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(ApplyError::GivenUp))
}

/// Whether a policy was refused because there is no room for it.
pub(super) fn no_room(error: &(dyn Error + 'static)) -> bool {
    matches!(
        error.downcast_ref(),
        Some(ApplyError::Compile(_) | ApplyError::NoRoom { .. } | ApplyError::TooMany { .. })
    )
}
