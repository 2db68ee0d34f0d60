//! The engine as the daemon's machine.

use stormbolt_control::compile::Watch;
use stormbolt_control::observe::LinkSignals;
use stormbolt_control::policy::Policy;
use stormbolt_control::units::Nanoseconds;

use super::machine::{BoxedError, Machine};
use crate::api::documents::{Classes, Cpus, Interfaces, Rules, Sources};
use crate::api::explanation::Explanation;
use crate::apply::{Asked, Engine, ExplainError, FixedSizes, Named, Wanted};
use crate::datapath::Samples;
use crate::telemetry::Counted;
use crate::telemetry::documents::Tables;

impl Machine for Engine {
    fn follow_links(&mut self) {
        self.follow_links();
    }

    fn set_attached(&mut self, names: &[String], attached: bool) -> Result<(), BoxedError> {
        if attached {
            self.attach_again(names)?;
        } else {
            self.detach(names)?;
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.leave();
    }

    fn sense(&mut self, signals: Vec<LinkSignals>) {
        self.sense(signals);
    }

    fn tick(&mut self, now: Nanoseconds) {
        self.tick(now);
    }

    fn apply(&mut self, policy: Policy, watch: &mut dyn Watch) -> Result<u32, BoxedError> {
        Ok(self.apply_watched(policy, watch)?)
    }

    fn table_sizes(&self) -> FixedSizes {
        self.table_sizes()
    }

    fn policy(&self) -> &Policy {
        self.policy()
    }

    fn generation(&self) -> u32 {
        self.generation()
    }

    fn notices(&self) -> Vec<String> {
        self.notices()
    }

    fn interfaces(&self) -> Interfaces {
        self.interfaces()
    }

    fn classes(&self) -> Classes {
        self.classes()
    }

    fn rules(&self) -> Rules {
        self.rules()
    }

    fn cpus(&self) -> Cpus {
        self.cpus()
    }

    fn samples(&mut self) -> Result<Option<Samples>, BoxedError> {
        Ok(Some(self.samples()?))
    }

    fn named(&self, wanted: &Wanted) -> Named {
        self.named(wanted)
    }

    fn class_number(&self, name: &str) -> Option<u32> {
        self.class_number(name)
    }

    fn sources(&self) -> Sources {
        self.sources()
    }

    fn tables(&self) -> Tables {
        self.tables()
    }

    fn counted(&self, limit: usize) -> Counted {
        self.counted(limit)
    }

    fn silent_from(&self) -> Nanoseconds {
        self.silent_from()
    }

    fn explain(&mut self, asked: &Asked, now: Nanoseconds) -> Result<Explanation, ExplainError> {
        self.explain(asked, now)
    }
}
