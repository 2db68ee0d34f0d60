//! What iptables-save and ip6tables-save print.

mod conditions;
mod sections;
mod sets;
mod words;

use conditions::{Reader, Target};
use sections::{Rule, Section};
use sets::Sets;

use super::builder::{Builder, Imported, Options};
use super::draft::Draft;
use crate::policy::Action;

/// Chains that arriving packets go through first.
const BASE_CHAINS: [&str; 2] = ["INPUT", "FORWARD"];
/// Rules that are read anew for each jump to their chain, at most.
const MAX_INLINED: usize = 1 << 18;

const JUMPS: &str = "a jump behind a jump: StormBolt's rules are one list";
const RETURN: &str = "a return takes packets out of the chain, StormBolt's rules only decide";
const GOTO: &str = "a goto does not come back, StormBolt's rules are one list";

/// Translates the chains INPUT and FORWARD of the table `filter`, and the chains that they jump to.
///
/// The rules hold for the version of IP that the comment of iptables-save or ip6tables-save names,
/// else the one of the addresses. What `ipset save` prints may stand before the tables, so that the
/// sets have their entries; the form of `iptables -S` is read too.
pub fn iptables(text: &str, options: &Options) -> Imported {
    let mut builder = Builder::new(text, options);
    let mut sets = Sets::default();
    let sections = sections::read(&mut builder, &mut sets);
    for section in &sections {
        Walk {
            section,
            sets: &sets,
            builder: &mut builder,
            inlined: 0,
        }
        .section();
    }
    builder.finish()
}

/// One table on its way into the policy.
struct Walk<'w, 'a> {
    section: &'w Section,
    sets: &'w Sets,
    builder: &'w mut Builder<'a>,
    inlined: usize,
}

impl Walk<'_, '_> {
    fn section(&mut self) {
        let section = self.section;
        if section.table != "filter" {
            for rule in section.rules() {
                let reason = format!("it is in table `{}`, not `filter`", section.table);
                self.builder.untranslated(rule.line, reason);
            }
            return;
        }
        let chosen = self.builder.options.chains.clone();
        let is_base = |chain: &str| BASE_CHAINS.contains(&chain);
        let is_chosen = |chain: &str| {
            is_base(chain) && (chosen.is_empty() || chosen.iter().any(|c| c == chain))
        };
        if section.is_guess && section.rules().next().is_some() {
            let name = section.family.name();
            let line = section.line;
            let note = format!("taken for {name}: there is no comment of iptables-save before it");
            self.builder.note(line, note);
        }
        for (line, chain, policy) in &section.policies {
            if is_chosen(chain) && policy == "DROP" {
                let note = format!(
                    "packets that no rule matches go to the default class, not to the policy of \
                     {chain}"
                );
                self.builder.note(*line, note);
            }
        }
        for chain in section.chain_names().filter(|chain| is_chosen(chain)) {
            for rule in section.chain(chain) {
                self.base_rule(chain, rule);
            }
        }
        if chosen.is_empty() {
            self.report_others();
        }
    }

    /// Rules in chains that no arriving packet gets to.
    fn report_others(&mut self) {
        let section = self.section;
        let jumps = BASE_CHAINS.iter().flat_map(|base| section.chain(base));
        let entered: Vec<&str> = jumps.filter_map(Rule::target).collect();
        for chain in section.chain_names() {
            if BASE_CHAINS.contains(&chain) || entered.contains(&chain) {
                continue;
            }
            let reason = if chain == "OUTPUT" {
                "it is about packets that the host sends, StormBolt sees those that arrive"
            } else {
                "neither INPUT nor FORWARD jump to its chain"
            };
            for rule in section.chain(chain) {
                self.builder.untranslated(rule.line, reason);
            }
        }
    }

    fn base_rule(&mut self, chain: &str, rule: &Rule) {
        let mut reader = Reader::new(self.section.family, self.sets, self.builder, rule.line);
        let mut draft = Draft::default();
        let read = reader.read(&rule.words, &mut draft);
        match read {
            Ok(Target::Jump(target)) if self.section.has_chain(&target) => {
                self.inline(chain, rule, &draft, &target);
            }
            Ok(target) => self.decide(chain, rule, draft, target),
            Err(reason) => self.lost(rule, &reason),
        }
    }

    /// The rules of `target` with the conditions of the jump before theirs.
    fn inline(&mut self, chain: &str, jump: &Rule, conditions: &Draft, target: &str) {
        let section = self.section;
        let rules = section.chain(target);
        self.inlined = self.inlined.saturating_add(rules.len());
        if self.inlined > MAX_INLINED {
            self.lost(
                jump,
                "the chains jumped to have too many rules when written out",
            );
            return;
        }
        for (index, rule) in rules.iter().enumerate() {
            let mut reader = Reader::new(section.family, self.sets, self.builder, rule.line);
            let mut draft = conditions.clone();
            draft.name = None;
            let read = reader.read(&rule.words, &mut draft);
            match read {
                // The end of the chain comes back by itself.
                Ok(Target::Return) if index + 1 == rules.len() => {}
                Ok(Target::Jump(name)) if section.has_chain(&name) => self.lost(rule, JUMPS),
                Ok(target) => self.decide(chain, rule, draft, target),
                Err(reason) => self.lost(rule, &reason),
            }
        }
    }

    fn decide(&mut self, chain: &str, rule: &Rule, mut draft: Draft, target: Target) {
        let action = match target {
            Target::Accept => Ok(Action::Pass),
            Target::Drop => Ok(Action::Drop),
            Target::Reject => {
                draft
                    .notes
                    .push("it drops silently, StormBolt sends no answer".to_owned());
                Ok(Action::Drop)
            }
            Target::Return => Err(RETURN.to_owned()),
            Target::Goto => Err(GOTO.to_owned()),
            Target::None => Err("it has no target, StormBolt's rules decide".to_owned()),
            Target::Jump(name) => Err(format!("target `{name}` has no counterpart")),
        };
        let done =
            action.and_then(|action| self.builder.chain_rule(rule.line, draft, action, chain));
        if let Err(reason) = done {
            self.lost(rule, &reason);
        }
    }

    fn lost(&mut self, rule: &Rule, reason: &str) {
        let passes = match rule.target() {
            Some("ACCEPT" | "RETURN") => true,
            Some(target) => self.section.has_chain(target),
            None => false,
        };
        if passes {
            self.builder.untranslated_pass(rule.line, reason);
        } else {
            self.builder.untranslated(rule.line, reason);
        }
    }
}
