//! How well it went, in numbers.

use stormbolt_control::decide::Tree;
use stormbolt_control::units::BitsPerSecond;

use crate::run::Record;
use crate::scenario::{SAMPLES_PER_INTERVAL, Scenario};

/// A class has its full share when it passes this much of it, in thousandths: what others of a group need to
/// start, 1/64 at most, is not for it.
const FULL_SHARE: u64 = 980;
/// A step is a rise by more than one part in this many of the most that the class offers.
const STEP_PARTS: u64 = 100;

/// The numbers of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// By class.
    pub classes: Vec<ClassFigures>,
    /// By how much more than the capacity passed in any interval's time at most, as a part of the capacity;
    /// zero when it never was more.
    pub overshoot: f64,
    /// The same, where no class with a guarantee has started in that time: what it is guaranteed may be lent
    /// until the controller has seen it send.
    pub overshoot_unlent: f64,
    /// Capacity that was left unused while classes waited for it to which the law gives it, as a part of all
    /// that there was.
    pub unused: f64,
}

/// The numbers of one class.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassFigures {
    /// Its name.
    pub name: String,
    /// On average, in bit/s.
    pub offered: u64,
    /// On average, in bit/s.
    pub passed: u64,
    /// Sudden rises in what it offers.
    pub rises: Vec<Rise>,
    /// What it lacked of what the law gives it at every moment, as a part of that.
    pub lacked: f64,
}

/// A sudden rise in what a class offers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rise {
    /// Intervals until the class passed its full share; `None`: that changed again before three intervals
    /// were over.
    pub intervals: Option<f64>,
    /// Whether the full share is all that the class offers.
    pub is_met: bool,
    /// Whether nobody has stopped in the second before: what a class has wanted is kept for it for a while, and
    /// lent until then to whoever comes first.
    pub is_calm: bool,
}

impl ClassFigures {
    /// The longest of the intervals from a rise to the full share, of the rises that count.
    pub fn slowest(&self, counts: impl Fn(&Rise) -> bool) -> Option<f64> {
        let rises = self.rises.iter().filter(|rise| counts(rise));
        rises.filter_map(|rise| rise.intervals).reduce(f64::max)
    }
}

impl Figures {
    /// Of a run of a scenario.
    pub fn of(scenario: &Scenario, record: &Record) -> Self {
        let shares = full_shares(scenario);
        let classes = scenario.policy.classes.iter().enumerate();
        let classes = classes.map(|(class, spec)| {
            let rises = rises(scenario, &shares, class).into_iter();
            let rises = rises.map(|(start, end)| Rise {
                intervals: time_to_share(record, &shares, class, (start, end)),
                is_calm: is_calm(scenario, class, (start, end)),
                is_met: at(&shares, start, class) == scenario.demand.at(start, class),
            });
            let mean = |table: &[Vec<u64>]| sum(table, class) / count(table.len()).max(1);
            ClassFigures {
                name: spec.name.clone(),
                offered: mean(&scenario.demand.0),
                passed: mean(&record.passed),
                rises: rises.collect(),
                lacked: lacked(record, &shares, class),
            }
        });
        Self {
            classes: classes.collect(),
            overshoot: overshoot(scenario, record, |_| true),
            overshoot_unlent: overshoot(scenario, record, |window| !has_start(scenario, window)),
            unused: unused(scenario, record, &shares),
        }
    }
}

/// What the law gives each class when it knows what is offered at that moment, `[sample][class]`.
fn full_shares(scenario: &Scenario) -> Vec<Vec<u64>> {
    let mut tree = Tree::new(&scenario.policy, scenario.capacity());
    let mut shares: Vec<Vec<u64>> = Vec::with_capacity(scenario.demand.samples());
    let mut before: Option<&Vec<u64>> = None;
    for offered in &scenario.demand.0 {
        if before == Some(offered)
            && let Some(last) = shares.last().cloned()
        {
            shares.push(last);
            continue;
        }
        let demand = |class| BitsPerSecond(offered.get(class).copied().unwrap_or(0));
        let allotments = tree.allot(scenario.policy.law, demand);
        shares.push(
            allotments
                .iter()
                .map(|allotment| allotment.share.0)
                .collect(),
        );
        before = Some(offered);
    }
    shares
}

fn at(table: &[Vec<u64>], sample: usize, class: usize) -> u64 {
    let row = table.get(sample);
    row.and_then(|row| row.get(class)).copied().unwrap_or(0)
}

fn sum(table: &[Vec<u64>], class: usize) -> u64 {
    (0..table.len())
        .map(|sample| at(table, sample, class))
        .sum()
}

/// Samples in which a class starts to offer much more, each with the sample at which that changes again, or
/// what the law gives it.
fn rises(scenario: &Scenario, shares: &[Vec<u64>], class: usize) -> Vec<(usize, usize)> {
    let demand = &scenario.demand;
    let most = (0..demand.samples())
        .map(|sample| demand.at(sample, class))
        .max();
    let least = most.unwrap_or(0) / STEP_PARTS;
    let starts = (1..demand.samples())
        .filter(|&sample| demand.at(sample, class) > demand.at(sample - 1, class) + least);
    let end = |start: usize| {
        let share = at(shares, start, class);
        let changes = |&sample: &usize| {
            demand.at(sample, class) != demand.at(start, class)
                || at(shares, sample, class).abs_diff(share) > share / STEP_PARTS
        };
        let end = (start..demand.samples()).find(changes);
        (start, end.unwrap_or(demand.samples()))
    };
    starts.map(end).collect()
}

/// Whether the others' demand falls by little in the second before a rise and as long as its share lasts.
fn is_calm(scenario: &Scenario, class: usize, (start, end): (usize, usize)) -> bool {
    let second = 1_000_000_000_u64.checked_div(scenario.sample_ns());
    let second = second.and_then(|samples| usize::try_from(samples).ok());
    let first = start.saturating_sub(second.unwrap_or(0)).max(1);
    let fall = |sample: usize| -> u64 {
        let others = (0..scenario.policy.classes.len()).filter(|&other| other != class);
        let demand = |sample, other| scenario.demand.at(sample, other);
        others
            .map(|other| demand(sample - 1, other).saturating_sub(demand(sample, other)))
            .sum()
    };
    (first..end).map(fall).sum::<u64>() <= scenario.capacity().0 / STEP_PARTS
}

/// Intervals until a class passes its full share for an interval's time; `None` where that changes again
/// before three intervals are over.
fn time_to_share(
    record: &Record,
    shares: &[Vec<u64>],
    class: usize,
    (start, end): (usize, usize),
) -> Option<f64> {
    if end - start < 3 * SAMPLES_PER_INTERVAL {
        return None;
    }
    let is_full = |sample: usize| {
        let share = u128::from(at(shares, sample, class)) * u128::from(FULL_SHARE);
        u128::from(at(&record.passed, sample, class)) * 1_000 >= share
    };
    let arrived = |&sample: &usize| (sample..end.min(sample + SAMPLES_PER_INTERVAL)).all(is_full);
    let arrival = (start..end).find(arrived);
    Some(ratio(arrival.unwrap_or(end) - start, SAMPLES_PER_INTERVAL))
}

fn lacked(record: &Record, shares: &[Vec<u64>], class: usize) -> f64 {
    let short =
        |sample| at(shares, sample, class).saturating_sub(at(&record.passed, sample, class));
    let lacked: u64 = (0..shares.len()).map(short).sum();
    part(lacked, sum(shares, class))
}

/// Whether a class with a guarantee starts to send more in these samples, or did in the interval before.
fn has_start(scenario: &Scenario, (first, last): (usize, usize)) -> bool {
    let first = first.saturating_sub(SAMPLES_PER_INTERVAL).max(1);
    let classes = scenario.policy.classes.iter().enumerate();
    let mut guaranteed = classes.filter(|(class, spec)| {
        let groups = scenario.policy.groups_of(*class);
        let mut groups = groups.filter_map(|group| scenario.policy.groups.get(group));
        spec.rate > BitsPerSecond::ZERO || groups.any(|group| group.rate > BitsPerSecond::ZERO)
    });
    guaranteed.any(|(class, _)| {
        let demand = |sample| scenario.demand.at(sample, class);
        (first..last).any(|sample| demand(sample) > demand(sample - 1))
    })
}

/// The most by which an interval's time that counts exceeds the capacity.
fn overshoot(scenario: &Scenario, record: &Record, counts: impl Fn((usize, usize)) -> bool) -> f64 {
    let totals: Vec<u64> = record
        .passed
        .iter()
        .map(|classes| classes.iter().sum())
        .collect();
    let windows = totals.windows(SAMPLES_PER_INTERVAL).enumerate();
    let windows = windows.filter(|(start, window)| counts((*start, start + window.len())));
    let most = windows.map(|(_, window)| window.iter().sum::<u64>()).max();
    let room = scenario.capacity().0 * count(SAMPLES_PER_INTERVAL);
    part(most.unwrap_or(0).saturating_sub(room), room)
}

fn unused(scenario: &Scenario, record: &Record, shares: &[Vec<u64>]) -> f64 {
    let capacity = scenario.capacity().0;
    let samples = record.passed.iter().zip(shares);
    let unused = samples.map(|(passed, shares)| {
        let left = capacity.saturating_sub(passed.iter().sum());
        let waiting = passed.iter().zip(shares);
        let waiting: u64 = waiting
            .map(|(passed, share)| share.saturating_sub(*passed))
            .sum();
        left.min(waiting)
    });
    let unused: u64 = unused.sum();
    part(unused, capacity.saturating_mul(count(record.passed.len())))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn ratio(part: usize, whole: usize) -> f64 {
    self::part(count(part), count(whole))
}

/// A part of a whole, exact to a millionth.
fn part(part: u64, whole: u64) -> f64 {
    let millionths = u128::from(part) * 1_000_000;
    let millionths = millionths.checked_div(u128::from(whole)).unwrap_or(0);
    f64::from(u32::try_from(millionths).unwrap_or(u32::MAX)) / 1e6
}
