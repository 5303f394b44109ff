//! stateright's example `single-copy-register`.

use std::borrow::Cow;

use stateright::Expectation;
use stateright::actor::register::{RegisterActor, RegisterMsg, RegisterMsg::*};
use stateright::actor::{Actor, ActorModel, Id, Network, Out};
use stateright::semantics::LinearizabilityTester;
use stateright::semantics::register::Register;

/// Each server has a copy of its own, so that more than one are not linearizable.
#[derive(Clone)]
pub struct SingleCopy;

impl Actor for SingleCopy {
    type Msg = RegisterMsg<u64, char, ()>;
    type State = char;
    type Timer = ();
    type Random = ();
    type Storage = ();

    fn on_start(&self, _: Id, _: &Option<()>, _: &mut Out<Self>) -> char {
        char::default()
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<char>,
        from: Id,
        message: Self::Msg,
        out: &mut Out<Self>,
    ) {
        match message {
            Put(request, value) => {
                *state.to_mut() = value;
                out.send(from, PutOk(request));
            }
            Get(request) => out.send(from, GetOk(request, **state)),
            _ => {}
        }
    }
}

pub type System =
    ActorModel<RegisterActor<SingleCopy>, (), LinearizabilityTester<Id, Register<char>>>;

pub fn register(clients: usize, servers: usize) -> System {
    let client = RegisterActor::Client {
        put_count: 1,
        server_count: servers,
    };
    ActorModel::new((), LinearizabilityTester::new(Register(char::default())))
        .actors((0..servers).map(|_| RegisterActor::Server(SingleCopy)))
        .actors((0..clients).map(|_| client.clone()))
        .init_network(Network::new_unordered_nonduplicating([]))
        .property(Expectation::Always, "linearizable", |_, state| {
            state.history.serialized_history().is_some()
        })
        .property(Expectation::Sometimes, "value chosen", |_, state| {
            state.network.iter_deliverable().any(
                |envelope| matches!(envelope.msg, GetOk(_, value) if *value != char::default()),
            )
        })
        .record_msg_in(RegisterMsg::record_returns)
        .record_msg_out(RegisterMsg::record_invocations)
}
