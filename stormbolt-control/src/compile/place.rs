//! Gives the parts of trees their places in the tables.

use std::sync::Arc;

use stormbolt_common::classifier::{
    BLOCK_WORDS, CHOICE_WORDS, Edge, RANGE_WORDS, conditions::IPV4_WORDS,
};

/// What a cut by bounds and a choice take: they begin a block, and nothing else fits behind them.
pub(super) const CUT_WORDS: u32 = 8;
const _: () = assert!(RANGE_WORDS == 6 && CHOICE_WORDS == 6 && BLOCK_WORDS == 8);

use super::heap::{Extent, Full, Heap};
use super::node::{Node, NodeKind, Place, Run};

/// Words to be written into the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Where the words go, piece by piece.
    pub pieces: Vec<Extent>,
    /// The words of all pieces, one behind the other.
    pub words: Vec<u64>,
}

impl Image {
    fn add(&mut self, extent: Extent, words: impl IntoIterator<Item = u64>) {
        self.words.extend(words);
        match self.pieces.last_mut() {
            Some(last) if last.start + last.words == extent.start => last.words += extent.words,
            _ => self.pieces.push(extent),
        }
    }
}

/// The edge to `node`, which is written into the tables with all that lies behind it unless it is
/// there already.
pub(super) fn place(node: &Arc<Node>, heap: &mut Heap, image: &mut Image) -> Result<Edge, Full> {
    if let Some(place) = node.place.get() {
        return Ok(place.edge);
    }
    let place = place_new(node, heap, image)?;
    Ok(node.place.get_or_init(|| place).edge)
}

fn place_new(node: &Node, heap: &mut Heap, image: &mut Image) -> Result<Place, Full> {
    let (edge, extent) = match &node.kind {
        NodeKind::Nothing => (Edge::NOTHING, None),
        NodeKind::Value(number) => (Edge::value(*number), None),
        NodeKind::Leaf {
            words,
            count,
            priority,
        } => {
            let size = u32::try_from(words.len()).map_err(|_| Full)?;
            // A single IPv4 condition shares its block; whatever is longer begins one.
            let align = if size <= IPV4_WORDS {
                IPV4_WORDS
            } else {
                block()
            };
            let extent = heap.take(size, align)?;
            image.add(extent, words.iter().copied());
            (Edge::leaf(extent.start, *count, *priority), Some(extent))
        }
        NodeKind::Bits {
            lane,
            shift,
            width,
            runs,
        } => {
            let size = 1_u32.checked_shl(*width).ok_or(Full)?;
            let edges = bits_edges(runs, heap, image)?;
            let extent = heap.take(size, size.min(block()))?;
            image.add(extent, edges);
            (
                Edge::bits(extent.start, *lane, *shift, *width),
                Some(extent),
            )
        }
        NodeKind::Range {
            lane,
            shift,
            last,
            children,
        } => {
            let [a, b, c, d] = last.map(u64::from);
            let mut words = vec![a | b << 16 | c << 32 | d << 48];
            for child in children {
                words.push(place(child, heap, image)?.0);
            }
            words.resize(BLOCK_WORDS, 0);
            let extent = heap.take(block(), block())?;
            image.add(extent, words);
            (Edge::range(extent.start, *lane, *shift), Some(extent))
        }
        NodeKind::Choice {
            lane,
            shift,
            bits,
            children: [zero, one],
        } => {
            let edges = [place(zero, heap, image)?.0, place(one, heap, image)?.0];
            let extent = heap.take(block(), block())?;
            let rest = [0; BLOCK_WORDS - 6];
            image.add(extent, bits.iter().copied().chain(edges).chain(rest));
            (Edge::choice(extent.start, *lane, *shift), Some(extent))
        }
    };
    Ok(Place { edge, extent })
}

fn bits_edges(runs: &[Run], heap: &mut Heap, image: &mut Image) -> Result<Vec<u64>, Full> {
    let mut edges = Vec::new();
    for run in runs {
        let edge = place(&run.child, heap, image)?;
        edges.resize(usize::try_from(run.end).map_err(|_| Full)?, edge.0);
    }
    Ok(edges)
}

fn block() -> u32 {
    u32::try_from(BLOCK_WORDS).unwrap_or(1)
}
