//! The lines that the controller has to hold in every built-in scenario, under every law.

use stormbolt_control::policy::Law;
use stormbolt_control::units::BitsPerSecond;
use stormbolt_simulate::{Figures, Record, Rise, Scenario, built_in, draw, names, run, tables};

/// Intervals after which a class that starts has its full share.
const FULL_SHARE_AFTER: f64 = 3.0;
/// The most that may pass beyond the capacity in an interval's time, as a part of it.
const OVERSHOOT: f64 = 0.01;
/// The largest drawing, in bytes.
const MAX_DRAWING: usize = 200_000;

fn scenario(name: &str, law: Law) -> Scenario {
    let found = built_in(name).expect("its policy is valid");
    let mut scenario = found.expect("there is one of that name");
    scenario.policy.law = law;
    scenario
}

/// Runs every scenario under every law.
fn every_run(check: impl Fn(&Scenario, &Record)) {
    for name in names() {
        for law in Law::ALL {
            let scenario = scenario(name, law);
            check(&scenario, &run(&scenario));
        }
    }
}

fn sums(table: &[Vec<u64>]) -> impl Iterator<Item = u64> {
    table.iter().map(|classes| classes.iter().sum())
}

#[test]
fn a_class_that_starts_has_its_full_share_within_three_intervals() {
    let mut seen = 0;
    for name in names() {
        for law in Law::ALL {
            let scenario = scenario(name, law);
            let figures = Figures::of(&scenario, &run(&scenario));
            for (class, spec) in figures.classes.iter().zip(&scenario.policy.classes) {
                // What a class has wanted is kept for it for a while after it has stopped, and lent until then to
                // whoever comes first. Whose demand is met with that depends on the priority.
                let is_served = law != Law::Proportional && spec.priority < 4;
                let counts = |rise: &Rise| rise.is_calm || rise.is_met && is_served;
                if let Some(slowest) = class.slowest(counts) {
                    seen += 1;
                    assert!(
                        slowest <= FULL_SHARE_AFTER,
                        "{name}, {}: {} after {slowest}",
                        law.name(),
                        class.name
                    );
                }
            }
        }
    }
    assert!(seen > 500, "{seen}");
}

#[test]
fn no_more_than_the_capacity_passes_but_what_is_guaranteed_to_who_starts() {
    every_run(|scenario, record| {
        let figures = Figures::of(scenario, record);
        assert!(
            figures.overshoot_unlent <= OVERSHOOT,
            "{} {figures:?}",
            scenario.name
        );
        let guaranteed = guaranteed(scenario);
        let capacity = scenario.capacity().0;
        for rates in sums(&record.rates) {
            assert!(rates <= capacity + guaranteed, "{}: {rates}", scenario.name);
        }
        for passed in sums(&record.passed) {
            assert!(
                passed <= capacity + guaranteed,
                "{}: {passed}",
                scenario.name
            );
        }
    });
}

fn guaranteed(scenario: &Scenario) -> u64 {
    let classes = scenario
        .policy
        .classes
        .iter()
        .filter(|class| class.group.is_none());
    let groups = scenario
        .policy
        .groups
        .iter()
        .filter(|group| group.parent.is_none());
    let rates = classes
        .map(|class| class.rate)
        .chain(groups.map(|group| group.rate));
    rates.map(|rate| rate.0).sum()
}

#[test]
fn a_group_never_passes_more_than_its_ceil() {
    let mut most = 0;
    for law in Law::ALL {
        let scenario = scenario("groups", law);
        let acme: Vec<usize> = (0..scenario.policy.classes.len())
            .filter(|&class| scenario.policy.is_capped(class, scenario.capacity()))
            .collect();
        assert_eq!(acme.len(), 4);
        let record = run(&scenario);
        for (passed, rates) in record.passed.iter().zip(&record.rates) {
            let of_group = |row: &[u64]| acme.iter().map(|&class| row[class]).sum::<u64>();
            assert!(of_group(rates) <= 500_000_000, "{rates:?}");
            most = most.max(of_group(passed));
        }
    }
    assert!((490_000_000..=500_000_000).contains(&most), "{most}");
}

#[test]
fn while_demand_waits_the_link_is_used_but_for_what_a_group_with_a_ceil_cannot_borrow() {
    every_run(|scenario, record| {
        let unused = Figures::of(scenario, record).unused;
        let most = if scenario.name == "groups" { 0.02 } else { 0.0 };
        assert!(unused <= most, "{}: {unused}", scenario.name);
    });
}

#[test]
fn rates_come_to_rest_after_the_last_step() {
    for law in Law::ALL {
        let mut scenario = scenario("steps", law);
        let last = scenario.demand.0[5_000 / 10].clone();
        scenario.demand.0.truncate(5_000 / 10);
        scenario.demand.0.resize(12_000 / 10, last);
        let record = run(&scenario);
        let at_rest = &record.rates[10_000 / 10];
        assert!(at_rest.iter().sum::<u64>() >= scenario.capacity().0 / 100 * 99);
        for rates in &record.rates[10_000 / 10..] {
            assert_eq!(rates, at_rest, "{}", law.name());
        }
    }
}

#[test]
fn a_drawing_has_every_line_named_and_is_small_and_the_figures_name_every_class() {
    for name in names() {
        let scenario = scenario(name, Law::MaxMin);
        let record = run(&scenario);
        let drawing = draw(&scenario, &record).unwrap();
        assert!(drawing.len() <= MAX_DRAWING, "{name}: {}", drawing.len());
        let text = tables(&scenario, &Figures::of(&scenario, &record));
        for word in [
            "offered",
            "allotted",
            "passed",
            "capacity",
            "time, s",
            "Mbit/s",
            &scenario.title,
        ] {
            assert!(drawing.contains(word), "{name}: {word}");
        }
        if name == "thousand" {
            assert!(drawing.contains("priority 7, 125 classes"));
            assert!(text.contains("all 1000"));
            continue;
        }
        for class in &scenario.policy.classes {
            assert!(drawing.contains(&class.name) && text.contains(&class.name));
        }
    }
}

#[test]
fn there_is_no_scenario_of_another_name_and_all_policies_are_what_they_say() {
    assert!(built_in("flood").unwrap().is_none());
    let capacity = |name| scenario(name, Law::MaxMin).capacity();
    assert_eq!(capacity("steps"), BitsPerSecond(1_000_000_000));
    assert_eq!(
        scenario("thousand", Law::MaxMin).policy.classes.len(),
        1_000
    );
}
