//! The lines that a capacity which follows its link has to hold in the simulation.

use stormbolt_simulate::{
    PARTS, SETTLED_AFTER, Settled, draw_followed, follow_link, followed_table,
};

#[test]
fn a_capacity_follows_its_link_within_a_tenth_and_nearly_all_of_the_link_is_used() {
    let run = follow_link().expect("its policy is valid");
    for (position, (start, link)) in PARTS.into_iter().enumerate() {
        let end = PARTS.get(position + 1).map(|(next, _)| *next);
        let with = Settled::of(&run.with, start + SETTLED_AFTER, end);
        let without = Settled::of(&run.without, start + SETTLED_AFTER, end);
        let near = link / 100 * 90..=link / 100 * 110;
        assert!(near.contains(&with.least), "{link}: {with:?}");
        assert!(near.contains(&with.most), "{link}: {with:?}");
        assert!(with.passed >= link / 100 * 90, "{link}: {with:?}");
        assert!(with.median_us <= 5_000, "{link}: {with:?}");
        assert!(with.longest_us <= 100_000, "{link}: {with:?}");
        assert!(without.median_us >= 200_000, "{link}: {without:?}");
    }
}

#[test]
fn it_is_drawn_and_told() {
    let run = follow_link().expect("its policy is valid");
    let drawing = draw_followed(&run).expect("there is something to draw");
    assert!(drawing.starts_with("<svg") && drawing.len() < 200_000);
    assert_eq!(followed_table(&run).lines().count(), PARTS.len());
}
