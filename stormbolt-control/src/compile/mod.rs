//! Compiles rules and sets into the trees that the XDP program walks.
//!
//! `rules → items → trees → places`: a rule becomes items, boxes of packets with one prefix per
//! address ([`item`]); long and negated lists of prefixes become classes of addresses
//! ([`membership`]) with a tree of their own ([`set_tree`]). The items of a family are parted into a
//! few groups and cut until few enough are left to compare ([`cut`], [`tree`]); parts that are alike
//! are shared. At last every part gets a place in the tables ([`place`]). The structure as the program
//! sees it is described at [`stormbolt_common::classifier`].

mod condition;
mod cut;
mod fields;
mod heap;
mod intervals;
mod item;
mod membership;
mod node;
mod place;
mod prefix;
mod region;
mod set_tree;
mod tree;

pub use heap::{Extent, Full, Heap};
pub use place::Image;
pub use prefix::covers;

use std::sync::Arc;

use stormbolt_common::classifier::{Edge, TREES};
use stormbolt_common::limits::MAX_RULES;
use stormbolt_common::policy::{DESTINATION_SETS, FamilyRoots, RuleEntry, SOURCE_SETS};
use thiserror::Error;

use crate::policy::{Rule, Set};
use condition::Target;
use item::{Item, Items};
use node::Node;
use prefix::Family;
use region::Region;
use tree::{Builder, Stop};

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
}

/// The tables of one policy's rules.
#[derive(Clone, Debug, Default)]
pub struct CompiledRules {
    /// Roots of the IPv4 trees, then of the IPv6 trees.
    pub roots: [FamilyRoots; 2],
    /// [`SOURCE_SETS`] and [`DESTINATION_SETS`].
    pub used_sets: u32,
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

/// Why rules do not fit the tables.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CompileError {
    /// More rules than there are counters for.
    #[error("{rules} rules, but at most {MAX_RULES} fit; merge rules that differ in one field")]
    TooManyRules {
        /// Rules in the policy.
        rules: usize,
    },
    /// The lists of prefixes overlap in more ways than there are numbers for.
    #[error(
        "the sets and lists of prefixes overlap in over 65,536 ways; name fewer different lists in rules"
    )]
    TooManySetClasses,
    /// Rules that no cuts tell apart.
    #[error(
        "{} rules overlap so much that a packet would have to be compared with each of them: {}; \
         order them by what they have in common, or merge them",
        rules.len(),
        names(rules)
    )]
    Entangled {
        /// Names of the rules.
        rules: Vec<String>,
    },
    /// The tables are too small.
    #[error(
        "the rules and sets need {} of table memory, but there are {}; most go to {}; start \
         the daemon with a larger --table-memory, or simplify these",
        bytes(*needed),
        bytes(*budget),
        costs(most)
    )]
    OverBudget {
        /// Bytes that are needed, at least.
        needed: u64,
        /// Bytes that there are.
        budget: u64,
        /// What takes most, with bytes.
        most: Vec<(String, u64)>,
    },
    /// Given up by whoever asked.
    #[error(
        "given up: compiling the rules took too long; they overlap in many ways, so simplify them or \
         split them by address"
    )]
    Interrupted,
}

/// The first few names.
fn names(rules: &[String]) -> String {
    let shown: Vec<_> = rules
        .iter()
        .take(5)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = if rules.len() > shown.len() {
        ", …"
    } else {
        ""
    };
    shown.join(", ") + more
}

fn costs(most: &[(String, u64)]) -> String {
    let shown = most
        .iter()
        .map(|(name, cost)| format!("{name} ({})", bytes(*cost)));
    shown.collect::<Vec<_>>().join(", ")
}

/// A size for people.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..=1_048_575 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{} MiB", bytes.div_ceil(1 << 20)),
    }
}

/// Bytes of a word.
const WORD: u64 = 8;

/// Compiles rules into places that `heap` gives; at most `budget` bytes of them.
///
/// # Errors
/// The rules do not fit; nothing of `heap` is taken then.
pub fn compile(
    input: Input<'_>,
    heap: &mut Heap,
    budget: u64,
    watch: &mut dyn Watch,
) -> Result<CompiledRules, CompileError> {
    let rules = input.rules;
    let count = u32::try_from(rules.len()).unwrap_or(u32::MAX);
    if count > MAX_RULES {
        return Err(CompileError::TooManyRules { rules: rules.len() });
    }
    let items = Items::of(rules, input.sets, input.interfaces)?;
    let targets = targets(input.entries, count);
    let mut builder = Builder::new(&items.fields, &targets, budget / WORD, watch);
    let built = trees(&items, &mut builder);
    let (words, words_of_rule) = (builder.words, std::mem::take(&mut builder.words_of_rule));
    drop(builder);
    let over = |needed: u64| CompileError::OverBudget {
        needed: needed * WORD,
        budget,
        most: most(&words_of_rule, rules),
    };
    let trees = built.map_err(|stop| match stop {
        Stop::OverBudget => over(words),
        Stop::Interrupted => CompileError::Interrupted,
        Stop::Entangled(positions) => CompileError::Entangled {
            rules: positions
                .iter()
                .filter_map(|&rule| Some(rules.get(usize::try_from(rule).ok()?)?.name.clone()))
                .collect(),
        },
    })?;
    let mut compiled = CompiledRules {
        used_sets: used_sets(items.asks_for_sets),
        ..CompiledRules::default()
    };
    let placed = trees.place(heap, &mut compiled);
    if placed.is_err() {
        for &piece in &compiled.image.pieces {
            heap.give_back(piece);
        }
        return Err(over(words.max(u64::from(heap.capacity()))));
    }
    Ok(compiled)
}

/// Rule priorities, with room between them for rules to come.
fn targets(entries: &[RuleEntry], count: u32) -> Vec<Target> {
    let gap = u32::MAX / (count + 2);
    let numbered = (1_u32..).zip(entries);
    numbered
        .map(|(position, &entry)| Target {
            priority: position * gap,
            entry,
        })
        .collect()
}

fn used_sets([source, destination]: [bool; 2]) -> u32 {
    let bit = |used, bit| if used { bit } else { 0 };
    bit(source, SOURCE_SETS) | bit(destination, DESTINATION_SETS)
}

/// What takes most words.
fn most(words_of_rule: &[u64], rules: &[Arc<Rule>]) -> Vec<(String, u64)> {
    let mut costs: Vec<_> = words_of_rule.iter().zip(rules).collect();
    costs.sort_by_key(|(words, _)| std::cmp::Reverse(**words));
    let largest = costs.into_iter().take(3);
    let named = largest.map(|(words, rule)| (format!("`{}`", rule.name), words * WORD));
    named.collect()
}

/// All trees of a policy.
struct Trees {
    rules: [[Arc<Node>; TREES]; 2],
    sets: [Arc<Node>; 2],
}

fn trees(items: &Items, builder: &mut Builder<'_>) -> Result<Trees, Stop> {
    let used = items.asks_for_sets.contains(&true);
    let sets = |starts: &[membership::Start], family| {
        set_tree::build(if used { starts } else { &[] }, family)
    };
    let region = Region::everything(items.domains);
    let ipv4 = family_trees(&items.ipv4, Family::Ipv4, region, builder)?;
    let region = Region::everything(items.domains);
    let ipv6 = family_trees(&items.ipv6, Family::Ipv6, region, builder)?;
    Ok(Trees {
        rules: [ipv4, ipv6],
        sets: [
            sets(&items.partition.ipv4, Family::Ipv4),
            sets(&items.partition.ipv6, Family::Ipv6),
        ],
    })
}

fn family_trees<const P: usize>(
    items: &[Item<P>],
    family: Family,
    region: Region<P>,
    builder: &mut Builder<'_>,
) -> Result<[Arc<Node>; TREES], Stop> {
    let all: Vec<u32> = (0_u32..).zip(items).map(|(number, _)| number).collect();
    if items.len() <= ONE_TREE_ITEMS {
        let words = u64::try_from(items.len()).unwrap_or(0) * ONE_TREE_WORDS + ONE_TREE_SPARE;
        if let Some(tree) = builder.try_tree(items, &all, family, region, words)? {
            let [b, c, d] =
                [const { &[] }; 3].map(|none| builder.tree(items, none, family, region));
            return Ok([tree, b?, c?, d?]);
        }
    }
    let [a, b, c, d] = groups(items);
    Ok([
        builder.tree(items, &a, family, region)?,
        builder.tree(items, &b, family, region)?,
        builder.tree(items, &c, family, region)?,
        builder.tree(items, &d, family, region)?,
    ])
}

/// Address bits from which on a prefix counts as specific.
const SPECIFIC_IPV4: u32 = 8;
const SPECIFIC_IPV6: u32 = 24;
/// One tree costs a packet less than four, where it does not take more than this many words an
/// item, and some more. Many items would be tried in vain for too long.
const ONE_TREE_WORDS: u64 = 16;
const ONE_TREE_SPARE: u64 = 4096;
const ONE_TREE_ITEMS: usize = 20_000;

/// Parts items by which of their addresses are specific: both, the destination, the source, neither.
fn groups<const P: usize>(items: &[Item<P>]) -> [Vec<u32>; TREES] {
    let mut groups = [const { Vec::new() }; TREES];
    let specific = if P == 2 { SPECIFIC_IPV4 } else { SPECIFIC_IPV6 };
    let is_specific = |mask: &[u32]| {
        let bits: u32 = mask.iter().map(|word| word.count_ones()).sum();
        bits >= specific
    };
    for (number, item) in (0_u32..).zip(items) {
        let (source, destination) = item.mask.split_at(P / 2);
        let [both, by_destination, by_source, neither] = &mut groups;
        let group = match (is_specific(source), is_specific(destination)) {
            (true, true) => both,
            (false, true) => by_destination,
            (true, false) => by_source,
            (false, false) => neither,
        };
        group.push(number);
    }
    groups
}

impl Trees {
    fn place(&self, heap: &mut Heap, compiled: &mut CompiledRules) -> Result<(), Full> {
        let families = self.rules.iter().zip(&self.sets);
        for ((rules, sets), roots) in families.zip(&mut compiled.roots) {
            roots.sets = place::place(sets, heap, &mut compiled.image)?;
            for (rules, root) in rules.iter().zip(&mut roots.rules) {
                *root = place::place(rules, heap, &mut compiled.image)?;
            }
        }
        Ok(())
    }
}

const _: () = assert!(TREES == 4 && size_of::<Edge>() == 8);

#[cfg(test)]
mod tests;
