//! Questions about packets over a real socket.

use super::client::{Client, ClientError};
use super::documents::Problem;
use super::explanation::{MAX_LIMIT, Question};
use super::test_server::Server;
use crate::apply::Asked;
use crate::daemon::fake;
use crate::explain::frame_of;

fn question() -> Question {
    Question {
        src: "10.0.0.1".parse().ok(),
        dst: "10.0.0.2".parse().ok(),
        dst_port: Some(443),
        ..Question::default()
    }
}

fn refused(client: &Client, question: &Question) -> (u16, Problem) {
    match client.explain(question) {
        Err(ClientError::Problem { status, problem }) => (status, problem),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_comes_over_the_socket_unchanged() {
    let server = Server::start();
    let asked = Asked {
        interface: None,
        frame: frame_of(&question()).unwrap(),
        limit: 10,
    };
    let answer = server.client().explain(&question()).unwrap();
    assert_eq!(answer, fake::explanation(&asked));
}

#[test]
fn questions_without_an_answer_say_what_is_wrong() {
    let server = Server::start();
    let client = server.client();
    let with = |change: &dyn Fn(&mut Question)| {
        let mut question = question();
        change(&mut question);
        question
    };
    for (question, status, message) in [
        (
            with(&|it| it.dst = None),
            400,
            "`dst`: is missing: a packet has one",
        ),
        (
            with(&|it| it.limit = Some(MAX_LIMIT + 1)),
            400,
            "`limit`: 1000 is the highest",
        ),
        (
            with(&|it| it.interface = Some("eth7".to_owned())),
            404,
            "the policy has no interface `eth7`; it has `eth0`",
        ),
        (
            with(&|it| it.interface = Some("gone".to_owned())),
            409,
            "the program is not attached to interface `gone`: nothing there is classified",
        ),
    ] {
        let (found, problem) = refused(&client, &question);
        assert_eq!((found, problem.error.as_str()), (status, message));
    }
    assert!(client.explain(&question()).is_ok());
}

#[test]
fn bodies_that_are_no_questions_are_refused() {
    for (body, part) in [
        ("", "not a question"),
        ("7", "not a question"),
        ("{\"src\": \"10.0.0.1\", \"colour\": 1}", "colour"),
        ("{\"src\": \"10.0.0.1/8\"}", "IP address"),
        ("{\"dst_port\": 65536}", "65536"),
        ("{\"protocol\": -1}", "a number or a name"),
        ("{\"frame\": \"zz\"}", "`frame`"),
    ] {
        let error = super::question::asked(body).unwrap_err();
        assert_eq!(error.status.as_u16(), 400, "{body}");
        let message = &error.problem.error;
        assert!(message.contains(part), "{message}");
    }
}
