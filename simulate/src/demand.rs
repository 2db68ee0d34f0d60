//! What classes want, moment by moment.

use stormbolt_control::policy::Policy;

/// What each class offers during each sample, in bit/s: `demand[sample][class]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand(pub Vec<Vec<u64>>);

impl Demand {
    /// What the classes of a policy offer, for so many samples: of a class by name and a sample by number.
    pub fn of(policy: &Policy, samples: usize, offered: impl Fn(&str, usize) -> u64) -> Self {
        let sample = |number| {
            let classes = policy.classes.iter();
            classes.map(|class| offered(&class.name, number)).collect()
        };
        Self((0..samples).map(sample).collect())
    }

    /// What a class offers during a sample; nothing where there is no such.
    pub fn at(&self, sample: usize, class: usize) -> u64 {
        let offered = self.0.get(sample).and_then(|classes| classes.get(class));
        offered.copied().unwrap_or(0)
    }

    /// How many samples there are.
    pub fn samples(&self) -> usize {
        self.0.len()
    }
}
