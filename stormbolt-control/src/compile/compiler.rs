//! Compiles policy after policy, keeping of the last what the next has too.

use std::sync::Arc;
use stormbolt_common::flow_cache::FlowMask;
use stormbolt_common::limits::MAX_RULES;
use stormbolt_common::policy::{FamilyRoots, RuleEntry};

use super::error::CompileError;
use super::heap::Heap;
use super::known::{Delta, Known};
use super::place::Image;
use super::tree::{Builder, Stop};
use super::trees::Trees;
use crate::policy::{Rule, Set};

/// What is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The rules, first match wins.
    pub rules: &'a [Arc<Rule>],
    /// What each rule does, in the same order.
    pub entries: &'a [RuleEntry],
    /// The sets that rules refer to.
    pub sets: &'a [Arc<Set>],
    /// The table index of each of the policy's interfaces.
    pub interfaces: &'a [u32],
    /// Which of the rules the policy in force has too, apart from their entries: its position there,
    /// ascending ([`crate::policy::kept_rules`]). `None` compiles everything anew.
    pub kept: Option<&'a [Option<u32>]>,
}

/// What a policy's rules come to.
#[derive(Clone, Debug, Default)]
pub struct CompiledRules {
    /// Roots of the IPv4 trees, then of the IPv6 trees.
    pub roots: [FamilyRoots; 2],
    /// [`stormbolt_common::policy::SOURCE_SETS`] and
    /// [`stormbolt_common::policy::DESTINATION_SETS`].
    pub used_sets: u32,
    /// What of packets the rules look at; without seed and window.
    pub flows: FlowMask,
    /// Whether it pays to remember what the rules say of a flow.
    pub remembers_flows: bool,
    /// What is to be written into the tables before the roots are.
    pub image: Image,
}

/// How far compilation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Words of the tables so far.
    pub words: u64,
}

/// Watches over a compilation, which takes as long as the rules are many.
pub trait Watch {
    /// Whether to give up. Asked at every step.
    fn interrupted(&mut self, progress: Progress) -> bool;
}

/// Lets every compilation come to its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patient;

impl Watch for Patient {
    fn interrupted(&mut self, _: Progress) -> bool {
        false
    }
}

/// Rules up to which it costs no more to walk through them than to look a flow up, where no set is
/// looked up.
const FEW_RULES: usize = 16;
/// Bytes of a word.
const WORD: u64 = 8;
/// By how much trees may grow in small changes, which leave worse cuts than starting anew, before
/// they are made anew; and words for those that are small.
const GROWTH: u64 = 2;
const SPARE: u64 = 1 << 16;

/// Compiles rules into places of the tables, beside those of the policy in force.
pub struct Compiler {
    heap: Heap,
    /// Bytes that one policy may take.
    budget: u64,
    in_force: Trees,
    /// Compiled, and neither kept nor discarded.
    next: Option<Next>,
    /// The rules of the trees compiled last. `None`: the next must be compiled anew.
    known: Option<Known>,
    size: Size,
}

/// Words of trees.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// In the tables: until the trees are kept those before them too.
    words: u64,
    /// As many they were when they were compiled anew.
    anew: u64,
}

struct Next {
    trees: Trees,
    size: Size,
}

impl Compiler {
    /// Compiles into `heap`, at most `budget` bytes of it for one policy.
    pub fn new(heap: Heap, budget: u64) -> Self {
        Self {
            heap,
            budget,
            in_force: Trees::none(),
            next: None,
            known: None,
            size: Size::default(),
        }
    }

    /// Where the tables have room.
    pub fn heap(&self) -> &Heap {
        &self.heap
    }

    /// Bytes of the tables that one policy may take.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// Bytes of the tables that the policy in force takes.
    pub fn used_bytes(&self) -> u64 {
        self.size.words * WORD
    }

    /// Compiles rules beside those in force. What it gives is written to places that nothing reads;
    /// then [`Compiler::keep`] or [`Compiler::discard`] says what became of it.
    ///
    /// # Errors
    /// The rules do not fit; nothing is taken then.
    pub fn compile(
        &mut self,
        input: Input<'_>,
        watch: &mut dyn Watch,
    ) -> Result<CompiledRules, CompileError> {
        self.discard();
        let count = input.rules.len();
        if u32::try_from(count).map_or(true, |count| count > MAX_RULES) {
            return Err(CompileError::TooManyRules { rules: count });
        }
        let changed = self.change(&input, watch)?;
        let (known, next) = match changed {
            Some(changed) => changed,
            None => self.anew(&input, watch)?,
        };
        let used_sets = known.used_sets();
        let mut compiled = CompiledRules {
            used_sets,
            flows: known.flow_mask(),
            remembers_flows: count > FEW_RULES || used_sets != 0,
            ..CompiledRules::default()
        };
        if next.trees.place(&mut self.heap, &mut compiled).is_err() {
            let needed = next.size.anew.max(u64::from(self.heap.capacity())) * WORD;
            next.trees.release(&mut self.heap);
            return Err(CompileError::OverBudget {
                needed,
                budget: self.budget,
                most: Vec::new(),
            });
        }
        self.known = Some(known);
        self.next = Some(next);
        Ok(compiled)
    }

    /// What was compiled last is in force, and no packet is in what was before it.
    pub fn keep(&mut self) {
        if let Some(next) = self.next.take() {
            let old = std::mem::replace(&mut self.in_force, next.trees);
            let freed = old.release(&mut self.heap);
            self.size = Size {
                words: next.size.words.saturating_sub(freed),
                ..next.size
            };
        }
    }

    /// What was compiled last is not needed.
    pub fn discard(&mut self) {
        if let Some(next) = self.next.take() {
            next.trees.release(&mut self.heap);
            self.known = None;
        }
    }

    /// Changes what is in force. `None` where compiling anew is better or the only way.
    fn change(
        &mut self,
        input: &Input<'_>,
        watch: &mut dyn Watch,
    ) -> Result<Option<(Known, Next)>, CompileError> {
        let Some((mut known, kept)) = self.known.take().zip(input.kept) else {
            return Ok(None);
        };
        let Some(delta) = known.change(input, kept) else {
            return Ok(None);
        };
        match self.changed_trees(&known, &delta, watch) {
            Ok(next) => Ok(Some((known, next))),
            Err(Stop::Interrupted) => Err(CompileError::Interrupted),
            Err(Stop::OverBudget | Stop::Entangled(_)) => Ok(None),
        }
    }

    fn changed_trees(
        &self,
        known: &Known,
        delta: &Delta,
        watch: &mut dyn Watch,
    ) -> Result<Next, Stop> {
        let most = (self.size.anew * GROWTH + SPARE).min(self.budget / WORD);
        let mut builder = Builder::new(&known.fields, &known.targets, most, watch);
        builder.words = self.size.words;
        let trees = self.in_force.changed(known, delta, &mut builder)?;
        Ok(Next {
            trees,
            size: Size {
                words: builder.words,
                ..self.size
            },
        })
    }

    fn anew(
        &self,
        input: &Input<'_>,
        watch: &mut dyn Watch,
    ) -> Result<(Known, Next), CompileError> {
        let known = Known::of(input, watch)?;
        let budget = self.budget;
        let mut builder = Builder::new(&known.fields, &known.targets, budget / WORD, watch);
        let built = Trees::of(&known, &mut builder);
        let words = builder.words;
        let words_of_rule = std::mem::take(&mut builder.words_of_rule);
        let words_of_sets = builder.words_of_sets;
        drop(builder);
        let rules = input.rules;
        let trees = built.map_err(|stop| match stop {
            Stop::OverBudget => CompileError::OverBudget {
                needed: words * WORD,
                budget,
                most: most(&words_of_rule, words_of_sets, input),
            },
            Stop::Interrupted => CompileError::Interrupted,
            Stop::Entangled(slots) => CompileError::Entangled {
                rules: slots
                    .iter()
                    .filter_map(|&slot| Some(rules.get(usize::try_from(slot).ok()?)?.name.clone()))
                    .collect(),
            },
        })?;
        let size = Size {
            words: self.size.words + words,
            anew: words,
        };
        Ok((known, Next { trees, size }))
    }
}

/// Which rules and sets take most, in bytes. What sets take is shared out by their prefixes.
fn most(words_of_rule: &[u64], words_of_sets: u64, input: &Input<'_>) -> Vec<(String, u64)> {
    let rules = words_of_rule.iter().zip(input.rules);
    let rules = rules.map(|(words, rule)| (*words, "rule", rule.name.as_str()));
    let prefixes = |set: &Set| u64::try_from(set.prefixes.len()).unwrap_or(u64::MAX);
    let all: u64 = input.sets.iter().map(|set| prefixes(set)).sum();
    let share = |set: &Set| {
        let words = u128::from(words_of_sets) * u128::from(prefixes(set)) / u128::from(all.max(1));
        u64::try_from(words).unwrap_or(u64::MAX)
    };
    let sets = input.sets.iter();
    let sets = sets.map(|set| (share(set), "set", set.name.as_str()));
    let mut costs: Vec<_> = rules.chain(sets).collect();
    costs.sort_by_key(|(words, ..)| std::cmp::Reverse(*words));
    let largest = costs.into_iter().take(3);
    let named = largest.map(|(words, kind, name)| (format!("{kind} `{name}`"), words * WORD));
    named.collect()
}
