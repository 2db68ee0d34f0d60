//! Groups that are in themselves.

use stormbolt_control::policy::Group;

/// The circles among groups, each as the group that comes first in the file and those that it is in.
///
/// Every group is walked over once or twice, however they are in each other.
pub(super) fn circles(groups: &[Group]) -> Vec<Vec<usize>> {
    let parent = |group: &usize| groups.get(*group).and_then(|group| group.parent);
    // By group: the walk that came to it first.
    let mut walked: Vec<Option<usize>> = vec![None; groups.len()];
    let mut circles = Vec::new();
    for walk in 0..groups.len() {
        let mut at = Some(walk);
        while let Some(group) = at
            && let Some(seen) = walked.get_mut(group)
        {
            if *seen == Some(walk) {
                let round = std::iter::successors(Some(group), parent).skip(1);
                let mut circle = vec![group];
                circle.extend(round.take_while(|next| *next != group));
                let first = circle.iter().enumerate().min_by_key(|(_, group)| **group);
                let first = first.map_or(0, |(place, _)| place);
                circle.rotate_left(first);
                circles.push(circle);
            }
            if seen.is_some() {
                break;
            }
            *seen = Some(walk);
            at = parent(&group);
        }
    }
    circles
}
