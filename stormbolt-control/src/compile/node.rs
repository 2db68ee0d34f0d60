//! Trees as they are built, and the places that their parts have in the tables.

use std::sync::{Arc, OnceLock};

use stormbolt_common::classifier::{Edge, RANGE_BOUNDS};

use super::heap::{Extent, Heap};

/// A part of a tree. Parts that are alike are shared, so a tree is a graph without cycles, and a new
/// tree has parts of the one before it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    /// Items that its cut was chosen for.
    pub(super) items: usize,
    /// Cuts on the longest way down from here.
    pub(super) height: u32,
    /// Where it stands, once it does.
    pub(super) place: OnceLock<Place>,
}

/// Where a part stands in the tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The edge to it.
    pub(super) edge: Edge,
    /// Its words; values have none.
    pub(super) extent: Option<Extent>,
}

/// What a part consists of.
#[derive(Debug)]
pub(super) enum NodeKind {
    /// No rule.
    Nothing,
    /// A class of sets.
    Value(u32),
    /// Conditions, encoded.
    Leaf {
        words: Vec<u64>,
        /// Places in it, extensions included.
        count: u32,
        /// Of the first condition.
        priority: u32,
    },
    /// An edge per value of some bits; equal neighbours are given once.
    Bits {
        lane: u32,
        shift: u32,
        width: u32,
        runs: Vec<Run>,
    },
    /// Parts by bounds.
    Range {
        lane: u32,
        shift: u32,
        /// The highest value of each part but the last; unused ones are the highest there is.
        last: [u16; RANGE_BOUNDS],
        children: Vec<Arc<Node>>,
    },
    /// One of two by a bit per value.
    Choice {
        lane: u32,
        shift: u32,
        bits: [u64; 4],
        children: [Arc<Node>; 2],
    },
}

/// Values that lead to the same part.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// The first value behind them.
    pub(super) end: u32,
    pub(super) child: Arc<Node>,
}

impl NodeKind {
    fn height(&self) -> u32 {
        let below = match self {
            Self::Nothing | Self::Value(_) | Self::Leaf { .. } => return 0,
            Self::Bits { runs, .. } => runs.iter().map(|run| run.child.height).max(),
            Self::Range { children, .. } => children.iter().map(|child| child.height).max(),
            Self::Choice { children, .. } => children.iter().map(|child| child.height).max(),
        };
        below.unwrap_or(0) + 1
    }

    fn into_children(self) -> Vec<Arc<Node>> {
        match self {
            Self::Nothing | Self::Value(_) | Self::Leaf { .. } => Vec::new(),
            Self::Bits { runs, .. } => runs.into_iter().map(|run| run.child).collect(),
            Self::Range { children, .. } => children,
            Self::Choice { children, .. } => children.into(),
        }
    }
}

impl Node {
    pub(super) fn new(kind: NodeKind) -> Arc<Self> {
        Self::chosen_for(0, kind)
    }

    /// A part whose cut was chosen for so many items.
    pub(super) fn chosen_for(items: usize, kind: NodeKind) -> Arc<Self> {
        Arc::new(Self {
            items,
            height: kind.height(),
            kind,
            place: OnceLock::new(),
        })
    }
}

/// Lets go of a tree: parts that no other tree has give their words back. Returns how many.
pub(super) fn release(tree: Arc<Node>, heap: &mut Heap) -> u64 {
    let mut words = 0;
    let mut waiting = vec![tree];
    while let Some(shared) = waiting.pop() {
        let Some(node) = Arc::into_inner(shared) else {
            continue;
        };
        if let Some(extent) = node.place.get().and_then(|place| place.extent) {
            words += u64::from(extent.words);
            heap.give_back(extent);
        }
        waiting.extend(node.kind.into_children());
    }
    words
}
