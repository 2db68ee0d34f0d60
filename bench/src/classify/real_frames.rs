//! Rules and sets over a link, beside nftables and xdp-filter.

use anyhow::Result;

use crate::harness::NftMatch;
use crate::real_frames::{Case, Dropper, Traffic, measure as measure_cases};
use crate::run::Run;

/// What drops, and what it is told to drop.
const CASES: [(&str, Dropper, Traffic); 9] = [
    ("veth-set-1k", Dropper::Set, Traffic::Prefixes(1000)),
    ("veth-set-100k", Dropper::Set, Traffic::Prefixes(100_000)),
    ("veth-rules-1k", Dropper::Rules, Traffic::Prefixes(1000)),
    ("veth-hosts-1k", Dropper::Set, Traffic::Hosts(1000)),
    ("peer-nft-set-1k", NFT_SET, Traffic::Prefixes(1000)),
    ("peer-nft-set-100k", NFT_SET, Traffic::Prefixes(100_000)),
    ("peer-nft-set-hosts-1k", NFT_SET, Traffic::Hosts(1000)),
    ("peer-nft-chain-1k", NFT_CHAIN, Traffic::Prefixes(1000)),
    (
        "peer-xdp-filter-hosts-1k",
        Dropper::XdpFilter,
        Traffic::Hosts(1000),
    ),
];
const NFT_SET: Dropper = Dropper::Nft(NftMatch::Set);
const NFT_CHAIN: Dropper = Dropper::Nft(NftMatch::Chain);

/// Measures all cases in turn.
pub(super) fn measure(run: &mut Run<'_, '_>) -> Result<()> {
    let cases = CASES.map(|(name, dropper, traffic)| Case {
        name,
        dropper,
        traffic,
    });
    measure_cases(run, &cases)
}
