//! Why a packet meets the rule that it meets, what is built in included.

use stormbolt_control::explain::{Field, NearMiss, Packet, Why, why};

use super::engine::Engine;

impl Engine {
    /// Compares `packet` with the rules in force; positions are those among all of them. Names at most `limit` rules of
    /// the policy that came close.
    ///
    /// What is built in is named besides only where its ports are meant and the addresses are others: whoever asks
    /// about another protocol does not ask about that.
    pub(super) fn why(&self, packet: &Packet, limit: usize) -> Why {
        let sets = &self.policy.sets;
        let built_in = self.rules.built_in();
        let (before, own) = self.rules.all().split_at(built_in);
        let exempt = why(before, sets, packet, built_in);
        if exempt.first_match.is_some() {
            return Why {
                nearest: Vec::new(),
                others: Vec::new(),
                ..exempt
            };
        }
        let own = why(own, sets, packet, limit);
        let by_address = |miss: &NearMiss| {
            let mut failing = miss.failing.iter();
            failing.all(|field| matches!(field, Field::Source | Field::Destination))
        };
        let nearest = own.nearest.into_iter().map(|miss| NearMiss {
            position: miss.position + built_in,
            ..miss
        });
        Why {
            first_match: own.first_match.map(|position| position + built_in),
            nearest: exempt
                .nearest
                .into_iter()
                .filter(by_address)
                .chain(nearest)
                .collect(),
            others: own.others,
        }
    }
}
