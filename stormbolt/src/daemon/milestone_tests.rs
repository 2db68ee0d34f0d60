//! What a daemon says of its life, with a machine without a kernel.

use std::fs;

use stormbolt_control::compile::Watch;
use tokio::sync::mpsc;

use super::fake::{POLICY, Traces};
use super::{AccessOptions, Event, Milestone, Options, serve};

#[tokio::test]
async fn the_service_manager_hears_of_the_start_of_reloads_of_life_and_of_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        config: directory.path().join("policy.toml"),
        socket: directory.path().join("socket"),
        access: AccessOptions::default(),
        state: directory.path().join("state"),
        tls: None,
    };
    fs::write(&options.config, POLICY).unwrap();
    let (events, received) = mpsc::channel(1);
    let (say, mut said) = mpsc::unbounded_channel();
    let own_options = options.clone();
    let served = tokio::spawn(async move {
        let start = |policy, watch: &mut dyn Watch| Traces::default().start(policy, watch);
        let say = move |milestone| say.send(milestone).unwrap_or(());
        serve(&own_options, start, received, say).await
    });
    assert_eq!(said.recv().await, Some(Milestone::Bound));
    assert_eq!(said.recv().await, Some(Milestone::Ready));
    while said.recv().await != Some(Milestone::Alive) {}

    // One that is taken and one that is not: both end.
    for text in [POLICY, "nonsense"] {
        fs::write(&options.config, text).unwrap();
        events.send(Event::Reload).await.unwrap();
        let mut heard = Vec::new();
        while heard.last() != Some(&Milestone::Ready) {
            heard.push(said.recv().await.unwrap());
        }
        heard.retain(|&milestone| milestone != Milestone::Alive);
        assert_eq!(heard, [Milestone::Reloading, Milestone::Ready]);
    }

    events.send(Event::Stop).await.unwrap();
    while said.recv().await != Some(Milestone::Stopping) {}
    served.await.unwrap().unwrap();
    assert_eq!(said.recv().await, None);
}
