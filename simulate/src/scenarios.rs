//! The built-in scenarios.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
use stormbolt::config::{PolicyError, parse};
use stormbolt_control::policy::Policy;

use crate::demand::Demand;
use crate::scenario::{SAMPLES_PER_INTERVAL, Scenario};

const MEGABIT: u64 = 1_000_000;
const GIGABIT: u64 = 1_000_000_000;
/// An interval is 100 ms long in every built-in scenario.
const SAMPLES_PER_SECOND: usize = 10 * SAMPLES_PER_INTERVAL;
/// How long they last.
const SECONDS: usize = 10;

const NAMES: [&str; 5] = ["steps", "ramps", "on-off", "groups", "thousand"];

/// The names of all of them.
pub fn names() -> [&'static str; 5] {
    NAMES
}

/// The scenario of a name; `None`: there is no such.
///
/// # Errors
/// Its policy is not valid, which a test rules out.
pub fn built_in(name: &str) -> Result<Option<Scenario>, PolicyError> {
    let (title, policy, offered): (_, _, Offered) = match name {
        "steps" => (
            "classes start and stop, one after the other, above a flood",
            STEPS.to_owned(),
            steps,
        ),
        "ramps" => (
            "demand that grows and shrinks steadily",
            RAMPS.to_owned(),
            ramps,
        ),
        "on-off" => (
            "demand that comes and goes out of step with the controller",
            ON_OFF.to_owned(),
            on_off,
        ),
        "groups" => (
            "two customers of 500 Mbit/s each, one with classes of its own",
            GROUPS.to_owned(),
            groups,
        ),
        "thousand" => (
            "a thousand classes that start and stop at random",
            thousand_classes(),
            |_, _| 0,
        ),
        _ => return Ok(None),
    };
    let policy = parse(name, &policy)?.policy;
    let demand = if name == "thousand" {
        thousand(&policy)
    } else {
        Demand::of(&policy, SECONDS * SAMPLES_PER_SECOND, offered)
    };
    Ok(Some(Scenario {
        name: name.to_owned(),
        title: title.to_owned(),
        policy,
        demand,
    }))
}

/// What a class offers during a sample.
type Offered = fn(&str, usize) -> u64;

const STEPS: &str = r#"
version = 1
[interface.eth0]
capacity = "1Gbit"
[class.critical]
priority = 0
rate = "200Mbit"
[class.web]
priority = 3
weight = 2
[class.mail]
priority = 3
[class.bulk]
priority = 7
[default]
class = "bulk"
"#;

fn steps(class: &str, sample: usize) -> u64 {
    // Not on a tick, as nothing in the world is.
    let between = |from_ms: usize, to_ms: usize| (from_ms..to_ms).contains(&(sample * 10));
    let megabits = match class {
        "critical" if between(3_030, 6_070) => 300,
        "web" if between(1_050, 8_020) => 500,
        "mail" if between(4_580, 7_040) => 400,
        "bulk" if between(0, 9_000) => 2_000,
        _ => 0,
    };
    megabits * MEGABIT
}

const RAMPS: &str = r#"
version = 1
[interface.eth0]
capacity = "1Gbit"
[class.voice]
priority = 1
ceil = "300Mbit"
[class.video]
priority = 4
weight = 3
[class.web]
priority = 4
[default]
class = "web"
"#;

fn ramps(class: &str, sample: usize) -> u64 {
    let second = number(SAMPLES_PER_SECOND);
    let time = number(sample);
    // Up from one second on, down so that it ends at another.
    let ramp = |from: u64, to: u64, per_second: u64| {
        let up = time.saturating_sub(from * second);
        let down = (to * second).saturating_sub(time);
        up.min(down) * per_second / second * MEGABIT
    };
    match class {
        "voice" => ramp(2, 8, 150),
        "video" => ramp(0, 10, 250),
        "web" => ramp(1, 9, 300),
        _ => 0,
    }
}

const ON_OFF: &str = r#"
version = 1
[interface.eth0]
capacity = "1Gbit"
[class.control]
priority = 1
[class.batch]
priority = 5
weight = 3
[class.bulk]
priority = 5
[default]
class = "bulk"
"#;

fn on_off(class: &str, sample: usize) -> u64 {
    let is_on = |period_ms: usize, on_ms: usize| sample * 10 % period_ms < on_ms;
    let megabits = match class {
        "control" if is_on(730, 310) => 400,
        "batch" if is_on(2_110, 1_270) => 900,
        "bulk" => 1_500,
        _ => 0,
    };
    megabits * MEGABIT
}

const GROUPS: &str = r#"
version = 1
[interface.eth0]
capacity = "1Gbit"
[group.acme]
rate = "200Mbit"
ceil = "500Mbit"
[group.acme-office]
parent = "acme"
weight = 3
[class.acme-calls]
group = "acme"
priority = 0
rate = "50Mbit"
[class.acme-web]
group = "acme-office"
[class.acme-mail]
group = "acme-office"
[class.acme-backup]
group = "acme"
[group.zenith]
rate = "200Mbit"
[class.zenith-all]
group = "zenith"
ceil = "500Mbit"
[class.rest]
priority = 5
[default]
class = "rest"
"#;

fn groups(class: &str, sample: usize) -> u64 {
    let between = |from_ms: usize, to_ms: usize| (from_ms..to_ms).contains(&(sample * 10));
    let megabits = match class {
        "acme-backup" if between(500, 9_000) => 800,
        "acme-web" if between(2_000, 8_000) => 400,
        "acme-mail" if between(3_500, 6_500) => 300,
        "acme-calls" if between(5_000, 7_500) => 50,
        "zenith-all" if between(1_500, 7_000) => 600,
        "rest" if between(0, 9_500) => 700,
        _ => 0,
    };
    megabits * MEGABIT
}

/// Ten links of a gigabit would fit into this one.
fn thousand_classes() -> String {
    let class = |number: usize| {
        format!(
            "[class.c{number:03}]\npriority = {}\nweight = {}\n",
            number % 8,
            1 + number % 5
        )
    };
    let classes: Vec<String> = (0..1_000).map(class).collect();
    format!(
        "version = 1\n[interface.eth0]\ncapacity = \"10Gbit\"\n{}[default]\nclass = \"c000\"\n",
        classes.concat()
    )
}

/// Every class is off or offers some rate, for some seconds at a time; all together want half again as
/// much as there is.
fn thousand(policy: &Policy) -> Demand {
    let samples = SECONDS * SAMPLES_PER_SECOND;
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let mut below = |bound: u64| random.next_u64() % bound.max(1);
    let columns = policy.classes.iter().map(|_| {
        let mut column: Vec<u64> = Vec::with_capacity(samples);
        while column.len() < samples {
            let is_on = below(2) == 0;
            let offered = if is_on {
                (10 + below(40)) * GIGABIT / 1_000
            } else {
                0
            };
            let length = SAMPLES_PER_SECOND + usize::try_from(below(300)).unwrap_or(0);
            column.resize((column.len() + length).min(samples), offered);
        }
        column
    });
    let columns: Vec<Vec<u64>> = columns.collect();
    let row = |sample| {
        columns
            .iter()
            .filter_map(|column| column.get(sample).copied())
            .collect()
    };
    Demand((0..samples).map(row).collect())
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
