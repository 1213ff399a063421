//! `ivring-agent request`.

use ivring_proto::console::{self, Failure, Output, Question};
use ivring_proto::control::Target;

use super::Request;

/// Asks the host through the running agent, and prints its answer.
pub(super) fn request(request: Request) -> Result<(), Failure> {
    let Request { topic, text, file, timeout, out: answer, json, socket } = request;
    let question = Question { target: Target::default(), topic, text, file, timeout, answer };
    console::request(question, &socket.agent(), &mut Output::new(json))
}
