//! Rounds: every program of a group in turn, and the medians of what they cost.

use anyhow::{Result, ensure};
use stormbolt_common::bench::BENCH_HEADERS;
use xtask::rulesets::{Header, IpVersion};

use crate::harness::{
    CLASSIFYING_PROGRAM, Flows, Front, Loaded, Packets, ProgramFd, WHOLE_PROGRAM,
};
use crate::run::{Run, in_round};
use crate::stats::median;

/// Headers, and the programs that are run with them.
pub(crate) struct Subject {
    front: Front,
    targets: Vec<Target>,
    /// Held while their programs are under measurement.
    engines: Vec<Loaded>,
}

/// One program under measurement.
struct Target {
    case: String,
    metric: &'static str,
    program: ProgramFd,
    flows: Flows,
    over_empty: Vec<f64>,
}

/// How StormBolt is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    metric: &'static str,
    /// The program.
    program: &'static str,
    flows: Flows,
}

/// The whole program, with flows that come again.
pub(crate) const OVER_EMPTY: Way = Way {
    metric: "over_empty",
    program: WHOLE_PROGRAM,
    flows: Flows::Known,
};
/// The same under a policy that polices.
pub(crate) const WITH_POLICE: Way = Way {
    metric: "over_empty_with_police",
    ..OVER_EMPTY
};
/// The whole program, where every packet is the first of its flow.
pub(crate) const NEW_FLOWS: Way = Way {
    metric: "over_empty_new_flows",
    flows: Flows::New,
    ..OVER_EMPTY
};
/// Parser and trees alone: no flow is remembered, nothing is counted.
pub(crate) const TREES: Way = Way {
    metric: "over_empty_trees",
    program: CLASSIFYING_PROGRAM,
    flows: Flows::Known,
};

/// What the packets of one pass over all headers have to meet: else the case is not what its name
/// says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meets {
    /// No rule.
    Nothing,
    /// Rules, and not always the same few.
    Rules,
    /// The first rule, this many of them; the others another rule.
    First(u64),
}

impl Subject {
    /// Headers that nothing is run with yet.
    ///
    /// # Errors
    /// As [`Front::load`].
    pub(crate) fn new(headers: &[Header], version: IpVersion) -> Result<Self> {
        Ok(Self {
            front: Front::load(headers, version)?,
            targets: Vec::new(),
            engines: Vec::new(),
        })
    }

    /// Takes StormBolt, to measure it as `case` in all of these ways, and says what became of the
    /// packets of one pass over all headers.
    ///
    /// # Errors
    /// The packets do not meet what they should.
    pub(crate) fn add(
        &mut self,
        case: &str,
        engine: Loaded,
        ways: &[Way],
        meets: Meets,
    ) -> Result<Packets> {
        self.front.pass(engine.program(WHOLE_PROGRAM)?)?;
        let packets = engine.packets();
        meets.check(case, &packets)?;
        for way in ways {
            self.push(case, way.metric, engine.program(way.program)?, way.flows)?;
        }
        self.engines.push(engine);
        Ok(packets)
    }

    /// Takes a peer's program, which has to drop `drops` of the headers.
    ///
    /// # Errors
    /// It drops more or fewer.
    pub(crate) fn add_peer(&mut self, case: &str, program: &ProgramFd, drops: u64) -> Result<()> {
        let dropped = self.front.drops(program)?;
        ensure!(
            dropped == drops,
            "{case}: {dropped} of {BENCH_HEADERS} packets were dropped, not {drops}"
        );
        self.push(case, OVER_EMPTY.metric, program, Flows::Known)
    }

    fn push(
        &mut self,
        case: &str,
        metric: &'static str,
        program: &ProgramFd,
        flows: Flows,
    ) -> Result<()> {
        self.targets.push(Target {
            case: case.to_owned(),
            metric,
            program: program.try_clone()?,
            flows,
            over_empty: Vec::new(),
        });
        Ok(())
    }
}

impl Meets {
    /// Fails unless that is what became of the packets.
    fn check(self, case: &str, packets: &Packets) -> Result<()> {
        let received = packets.received;
        ensure!(received > 0, "{case}: no packet arrived");
        let matched: u64 = packets.by_rule.iter().sum();
        if self == Self::Nothing {
            ensure!(matched == 0, "{case}: {matched} packets met a rule");
            return Ok(());
        }
        ensure!(
            matched == received,
            "{case}: of {received} packets only {matched} met a rule"
        );
        let first = packets.by_rule.first().copied().unwrap_or(0);
        if let Self::First(wanted) = self {
            ensure!(
                first == wanted,
                "{case}: {first} of {received} packets met the first rule, not {wanted}"
            );
            return Ok(());
        }
        let met = packets.by_rule.iter().filter(|&&hits| hits > 0).count();
        let could = packets.by_rule.len().min(usize::try_from(received)?);
        ensure!(
            met * 10 >= could,
            "{case}: {received} packets met no more than {met} rules"
        );
        Ok(())
    }
}

/// Measures everything and reports each program's median over the empty program.
///
/// # Errors
/// The kernel refuses to run a program, or the output cannot be written to.
pub(crate) fn measure(run: &mut Run<'_, '_>, subjects: &mut [Subject]) -> Result<()> {
    if subjects.iter().all(|subject| subject.targets.is_empty()) {
        return Ok(());
    }
    for round in 1..=run.rounds() {
        in_round(round, run.rounds());
        for Subject { front, targets, .. } in subjects.iter_mut() {
            let [known, new] = [Flows::Known, Flows::New];
            let (known, new) = (front.time_empty(known)?, front.time_empty(new)?);
            for target in targets {
                let time = front.time(&target.program, target.flows)?;
                let empty = if target.flows == Flows::Known {
                    known
                } else {
                    new
                };
                target.over_empty.push(time - empty);
            }
        }
    }
    for target in subjects.iter().flat_map(|subject| &subject.targets) {
        run.add(
            &target.case,
            target.metric,
            median(&target.over_empty),
            "ns",
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `meets` is content with 100 packets that met the rules as in `by_rule`.
    fn content(meets: Meets, by_rule: &[u64]) -> bool {
        let packets = Packets {
            received: 100,
            steered: 0,
            by_rule: by_rule.to_vec(),
        };
        meets.check("case", &packets).is_ok()
    }

    #[test]
    fn packets_that_meet_no_rule_are_refused_where_there_are_rules() {
        assert!(content(Meets::Rules, &[60, 40]));
        assert!(!content(Meets::Rules, &[60, 39]));
        assert!(!content(Meets::Rules, &[]));
        assert!(content(Meets::Nothing, &[]));
        assert!(!content(Meets::Nothing, &[1]));
    }

    #[test]
    fn packets_that_all_meet_the_same_few_of_many_rules_are_refused() {
        let mut by_rule = vec![0; 1000];
        by_rule[0] = 100;
        assert!(!content(Meets::Rules, &by_rule));
        for hits in &mut by_rule[..10] {
            *hits = 10;
        }
        assert!(content(Meets::Rules, &by_rule));
    }

    #[test]
    fn a_set_that_others_than_its_members_meet_is_refused() {
        assert!(content(Meets::First(50), &[50, 50]));
        assert!(!content(Meets::First(50), &[100, 0]));
        assert!(!content(Meets::First(50), &[0, 100]));
    }

    #[test]
    fn a_case_without_packets_is_refused() {
        let none = Packets::default();
        assert!(Meets::Nothing.check("case", &none).is_err());
    }
}
