//! From a history to its record.

use super::{
    ActorKind, DesignText, Record, RecordActor, RecordLine, RecordMessage, RecordStep,
    ScenarioText, SourceText, Trap, action,
};
use crate::closing;
use crate::history::{Ending, History, Step};
use crate::line::{Actor, Line};
use crate::names::Names;
use crate::observe::{Observer, Table, Value, Variable, message, request};
use glock_model::cluster::{Action, Cluster, State};
use glock_model::event::Event;
use glock_model::lockspace::{Channel, Message};
use glock_model::property::Property;
use std::collections::HashMap;
use std::hash::Hash;

/// What is written once and referred to by index.
struct Interned<T> {
    list: Vec<T>,
    index: HashMap<T, u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Interned {
            list: Vec::new(),
            index: HashMap::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    fn index(&mut self, item: T) -> u32 {
        if let Some(&at) = self.index.get(&item) {
            return at;
        }
        let at = self.list.len() as u32;
        self.list.push(item.clone());
        self.index.insert(item, at);
        at
    }
}

impl Record {
    /// The record of a history. What is known of the search and the command is the caller's
    /// to add.
    pub fn new(history: &History, property: Option<Property>) -> Record {
        let cluster = history.cluster();
        let (program, scenario) = (cluster.program(), cluster.scenario());
        let observer = Observer::new(cluster);
        let mut recorder = Recorder::new(history, &observer);
        let first: Vec<u32> = recorder.values(history.initial());
        let mut before = (history.initial(), first.clone());
        let mut steps = Vec::with_capacity(history.steps().len());
        for step in history.steps() {
            steps.push(recorder.step(step, &mut before));
        }
        let variables = observer.variables();
        let cycle = last_cycle(&variables, &before.1, &recorder.values.list);
        let lines = property.map_or_else(Vec::new, |p| closing::lines(history, p));
        let source = |s: &glock_model::program::Source| SourceText {
            design: s.design.clone(),
            text: s.text.lines().map(str::to_owned).collect(),
        };
        Record {
            format: Record::FORMAT.to_owned(),
            version: Record::VERSION,
            program: format!("glock {}", env!("CARGO_PKG_VERSION")),
            property: property.map(|p| p.name().to_owned()),
            verdict: String::new(),
            meaning: property.map_or_else(String::new, |p| p.meaning().to_owned()),
            command: None,
            search: None,
            design: DesignText {
                name: program.name.clone(),
                sources: program.sources.iter().map(source).collect(),
            },
            scenario: ScenarioText {
                name: scenario.name.clone(),
                nodes: scenario.nodes,
                text: scenario.to_toml().lines().map(str::to_owned).collect(),
            },
            switches: cluster.scenario().switches.changed(),
            actors: actors(cluster),
            initially: crate::initially::initially(history),
            closing: lines,
            repeats_from: match history.ending() {
                Ending::Loop { start } => Some(start),
                _ => None,
            },
            trap: match history.ending() {
                Ending::Trap {
                    states,
                    by_representative,
                } => Some(Trap {
                    states,
                    by_representative,
                }),
                _ => None,
            },
            cycle,
            variables,
            values: recorder.values.list,
            actions: recorder.actions.list,
            lines: recorder.lines.list,
            messages: recorder.messages.list,
            first,
            steps,
        }
    }
}

/// The circle of waits in a state.
fn last_cycle(variables: &[Variable], indices: &[u32], values: &[Value]) -> Vec<String> {
    let at = variables
        .iter()
        .position(|v| v.table == Table::Waits && v.name == "cycle");
    match at.map(|at| &values[indices[at] as usize]) {
        Some(Value::List(cycle)) => cycle.clone(),
        _ => Vec::new(),
    }
}

/// Who may act, in the order of a record.
fn actors(cluster: &Cluster) -> Vec<RecordActor> {
    let (scenario, names) = (cluster.scenario(), Names::new(cluster));
    let mut actors: Vec<RecordActor> = (0..scenario.tasks.len())
        .map(|t| RecordActor {
            name: names.task(t as u8).to_owned(),
            kind: ActorKind::Task,
            node: Some(scenario.node_of(t) as u8 + 1),
            operation: Some(names.operation(t as u8)),
        })
        .collect();
    let other = |name: String, kind, node| RecordActor {
        name,
        kind,
        node,
        operation: None,
    };
    for node in 0..scenario.nodes {
        actors.push(other(names.node(node), ActorKind::Worker, Some(node + 1)));
    }
    if names.has_lock_space() {
        actors.push(other("dlm".to_owned(), ActorKind::LockSpace, None));
    }
    actors.push(other(
        "environment".to_owned(),
        ActorKind::Environment,
        None,
    ));
    actors
}

struct Recorder<'a> {
    cluster: &'a Cluster,
    observer: &'a Observer<'a>,
    names: Names<'a>,
    values: Interned<Value>,
    actions: Interned<String>,
    lines: Interned<RecordLine>,
    messages: Interned<RecordMessage>,
    /// Per actor the calls it is in, outermost first.
    calls: Vec<Vec<String>>,
}

impl<'a> Recorder<'a> {
    fn new(history: &'a History, observer: &'a Observer<'a>) -> Recorder<'a> {
        let cluster = history.cluster();
        Recorder {
            cluster,
            observer,
            names: Names::new(cluster),
            values: Interned::default(),
            actions: Interned::default(),
            lines: Interned::default(),
            messages: Interned::default(),
            calls: vec![Vec::new(); actors(cluster).len()],
        }
    }

    fn values(&mut self, state: &State) -> Vec<u32> {
        let values = self.observer.values(state);
        values.into_iter().map(|v| self.values.index(v)).collect()
    }

    /// Records a step, and moves on to the state behind it.
    fn step<'s>(&mut self, step: &'s Step, before: &mut (&'s State, Vec<u32>)) -> RecordStep {
        let after = self.values(&step.state);
        let changed = (0..after.len()).filter(|&v| after[v] != before.1[v]);
        let set = changed.flat_map(|v| [v as u32, after[v]]).collect();
        let (send, take) = self.messages(step, before.0);
        let recorded = RecordStep {
            act: self.actions.index(action::text(step.action)),
            say: step.lines.iter().map(|l| self.line(l)).collect(),
            set,
            send,
            take,
        };
        *before = (&step.state, after);
        recorded
    }

    fn line(&mut self, line: &Line) -> u32 {
        let actor = self.index_of(line.actor);
        let calls = &mut self.calls[actor as usize];
        calls.truncate(line.depth as usize);
        let function = calls.last().cloned().unwrap_or_default();
        calls.resize(line.depth as usize, function.clone());
        let name = line.call.split(['(', ' ']).next().unwrap_or_default();
        calls.push(name.to_owned());
        let sources = &self.cluster.program().sources;
        let place = line.design.as_ref().and_then(|d| {
            let source = sources.iter().position(|s| s.design == d.design)?;
            Some((source as u32, d.number))
        });
        self.lines.index(RecordLine {
            actor,
            depth: line.depth,
            call: line.call.clone(),
            outcome: line.outcome.clone(),
            continues: line.continues,
            function,
            place,
        })
    }

    fn index_of(&self, actor: Actor) -> u32 {
        let scenario = self.cluster.scenario();
        let workers = scenario.tasks.len() as u32;
        let lock_space = workers + u32::from(scenario.nodes);
        match actor {
            Actor::Task(task) => task.into(),
            Actor::Worker { node } => workers + u32::from(node),
            Actor::LockSpace => lock_space,
            Actor::Environment => lock_space + u32::from(self.names.has_lock_space()),
        }
    }

    /// What a step sends and what it takes, as messages.
    fn messages(&mut self, step: &Step, before: &State) -> (Vec<u32>, Vec<u32>) {
        let (mut send, mut take) = (Vec::new(), Vec::new());
        if !self.names.has_lock_space() {
            return (send, take);
        }
        let scenario = self.cluster.scenario();
        for node in 0..scenario.nodes {
            for file in 0..scenario.files.len() as u8 {
                self.between(step, before, node, file, &mut send, &mut take);
            }
        }
        (send, take)
    }

    /// The messages of a step between one node and the lock space about one file.
    fn between(
        &mut self,
        step: &Step,
        before: &State,
        node: u8,
        file: u8,
        send: &mut Vec<u32>,
        take: &mut Vec<u32>,
    ) {
        let (n, f) = (usize::from(node), usize::from(file));
        let (was, is) = (&before.channels[n][f], &step.state.channels[n][f]);
        let name = self.names.file(file).to_owned();
        let (worker, dlm) = (
            self.index_of(Actor::Worker { node }),
            self.index_of(Actor::LockSpace),
        );
        let asks = |from, text| RecordMessage {
            from,
            to: dlm,
            file: name.clone(),
            text,
        };
        let answers = |text| RecordMessage {
            from: dlm,
            to: worker,
            file: name.clone(),
            text,
        };
        let served = step.action == Action::Server { node, file };
        if let (true, Some(asked)) = (served, &was.request) {
            // Who asked does not matter to the one who serves: a worker stands for its node.
            take.push(self.messages.index(asks(worker, request(asked))));
        }
        if let Some(asked) = is.request
            && (served || was.request.is_none())
        {
            send.push(self.messages.index(asks(worker, request(&asked))));
        }
        if let (true, Some(first)) = (step.action == Action::Deliver { node, file }, was.first()) {
            take.push(self.messages.index(answers(message(first))));
        }
        if let Action::Server { file: served, .. } = step.action
            && served == file
        {
            let is_bast = |m: &Message| matches!(m, Message::Bast(_));
            let (basts, others): (Vec<_>, Vec<_>) =
                sent_to(&step.events, node).into_iter().partition(is_bast);
            let pushed = |basts: bool| {
                let of = |c: &Channel| c.messages().filter(|m| is_bast(m) == basts).count();
                of(is).saturating_sub(of(was))
            };
            for (sent, pushed, merges) in
                [(others, pushed(false), false), (basts, pushed(true), true)]
            {
                // A callback that says no more than the one before it is not sent.
                let skipped = if merges {
                    sent.len().saturating_sub(pushed)
                } else {
                    0
                };
                for &sent in &sent[skipped..] {
                    let index = self.messages.index(answers(message(sent)));
                    send.push(index);
                    // What is sent and not under way has arrived at once.
                    if pushed == 0 {
                        take.push(index);
                    }
                }
            }
        }
    }
}

/// What the lock space sends to a node in a step, in order.
fn sent_to(events: &[Event], to: u8) -> Vec<Message> {
    let mut sent: Vec<Message> = Vec::new();
    for event in events {
        let message = match *event {
            Event::Granted { node, .. } if node == to => Message::Grant,
            Event::Refused { node, .. } | Event::Deadlk { node, .. } if node == to => {
                Message::Refuse
            }
            Event::Bast { node, mode, .. } if node == to => Message::Bast(mode),
            _ => continue,
        };
        if !sent.contains(&message) {
            sent.push(message);
        }
    }
    sent
}
