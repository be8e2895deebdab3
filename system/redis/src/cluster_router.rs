//! The shared connection of a cluster: a connection to each node, over which each command goes to the node that has its key. Those of one
//! pipeline go out to all their nodes at once, to each as one pipeline and in their order. What a node answers that it hasn't carried out
//! (a slot moved, or is moving) goes where the node says; what a broken connection leaves open is an error. Must not know what the commands
//! are for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use redis::aio::ConnectionLike;
use redis::{Cmd, ConnectionAddr, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult};
use redis::{ServerError, Value};

use crate::cluster::map::Node;
use crate::cluster::slot;
use crate::cluster::{Cluster, MOVING_MAX};
use crate::refusal;
use crate::words::words;

/// The pause before a node is asked again that has only a part of the keys, ms.
const MOVING_PAUSE_MS: u64 = 20;

/// Opens a connection to a node, which reconnects by itself.
type Open<C> = Box<dyn Fn(ConnectionAddr) -> C + Send + Sync>;

/// The connections to the nodes of a cluster.
pub(crate) struct Router<C> {
    cluster: Arc<Cluster>,
    open: Open<C>,
    nodes: Mutex<BTreeMap<Node, C>>,
}

/// Where commands go: a node, and whether it is asked although the slot isn't its own yet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Goal {
    node: Node,
    asking: bool,
}

/// The numbers of the commands that go to each goal.
type Routes = BTreeMap<Goal, Vec<usize>>;

impl<C: ConnectionLike + Clone + Send + Sync> Router<C> {
    pub fn new(cluster: Arc<Cluster>, open: Open<C>) -> Self {
        Self {
            cluster,
            open,
            nodes: Mutex::default(),
        }
    }

    /// Sends a command to the node that has its key; or to the one that has a slot (`beside`), whatever the command is.
    pub fn send<'a>(&'a self, cmd: &'a Cmd, beside: Option<usize>) -> RedisFuture<'a, Value> {
        let sending = async move {
            if beside.is_some() {
                let mut pipeline = Pipeline::with_capacity(1);
                pipeline.add_command(cmd.clone());
                let mut answers = self.send_to(beside, &pipeline, (0, 1)).await?;
                return answers.pop().unwrap_or_default().extract_error();
            }
            if words(cmd).next() == Some(b"SCRIPT") {
                // Whichever node runs it must know it.
                let answers = self.send_to_each(cmd).await?;
                return Ok(answers.into_iter().next().unwrap_or_default());
            }
            let answers = self.send_all(&[cmd], None).await?;
            let answer = answers.into_iter().next().unwrap_or_default();
            answer.extract_error()
        };
        sending.boxed()
    }

    /// Sends a command to every master.
    pub fn send_to_each<'a>(&'a self, cmd: &'a Cmd) -> BoxFuture<'a, RedisResult<Vec<Value>>> {
        let sending = async {
            let map = self.cluster.remembered().await?;
            let mut answers = Vec::new();
            for node in map.masters() {
                let answer = self.node(node).req_packed_command(cmd).await;
                answers.push(answer.inspect_err(|error| self.broke(error))?);
            }
            Ok(answers)
        };
        sending.boxed()
    }

    /// Sends a pipeline's commands to the nodes that have their keys, or to the one that has a slot (`beside`). A transaction goes to the node
    /// of its first key.
    pub fn send_pipeline<'a>(
        &'a self,
        pipeline: &'a Pipeline,
        (offset, count): (usize, usize),
        beside: Option<usize>,
    ) -> RedisFuture<'a, Vec<Value>> {
        let sending = async move {
            if beside.is_some() {
                return self.send_to(beside, pipeline, (offset, count)).await;
            }
            if pipeline.is_transaction() {
                return self.send_transaction(pipeline, offset, count).await;
            }
            let commands: Vec<&Cmd> = pipeline.cmd_iter().collect();
            let answers = self.send_all(&commands, Some(pipeline)).await?;
            Ok(answers.into_iter().skip(offset).take(count).collect())
        };
        sending.boxed()
    }

    /// Sends a pipeline to the node that has a slot, whatever is in it.
    async fn send_to(
        &self,
        slot: Option<usize>,
        pipeline: &Pipeline,
        (offset, count): (usize, usize),
    ) -> RedisResult<Vec<Value>> {
        let map = self.cluster.remembered().await?;
        let mut node = self.node(map.owner(slot)?);
        let sent = node.req_packed_commands(pipeline, offset, count).await;
        sent.inspect_err(|error| self.broke(error))
    }

    /// Repeats a transaction that was refused because its slot moves: nothing of it was carried out.
    async fn send_transaction(
        &self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let give_up = Instant::now() + MOVING_MAX;
        let slot = pipeline.cmd_iter().find_map(slot::of_command);
        loop {
            let sent = self.send_to(slot, pipeline, (offset, count)).await;
            let Err(error) = &sent else { return sent };
            if !refusal::moves(error) || Instant::now() >= give_up {
                return sent;
            }
            self.cluster.doubt();
            tokio::time::sleep(Duration::from_millis(MOVING_PAUSE_MS)).await;
        }
    }

    /// Sends commands, each to the node that has its key; returns their answers. `whole` is the pipeline that they are.
    async fn send_all(
        &self,
        commands: &[&Cmd],
        whole: Option<&Pipeline>,
    ) -> RedisResult<Vec<Value>> {
        let give_up = Instant::now() + MOVING_MAX;
        let is_wait = |at: &usize| words(commands[*at]).next() == Some(b"WAIT");
        // Each node is asked whether its replicas have what it was given.
        let wait = (0..commands.len()).rev().find(is_wait);
        let mut answers = vec![Value::Nil; commands.len()];
        let mut waited: Vec<Value> = Vec::new();
        let all = (0..commands.len()).filter(|at| Some(*at) != wait);
        let mut routes = self.routes(commands, all).await?;
        // Whether all that was sent went to one node: its error is the error of all.
        let mut is_one = routes.len() <= 1;
        loop {
            let sending = routes
                .iter()
                .map(|(goal, numbers)| self.send_some(goal, (commands, whole), numbers, wait));
            // All of them, so that none is left open which was sent.
            let sent = join_all(sending).await;
            let (mut next, mut again) = (Routes::new(), Vec::new());
            for (sent, (goal, numbers)) in sent.into_iter().zip(&routes) {
                let mut sent = sent.map_err(|error| open(error, is_one))?;
                if wait.is_some() {
                    waited.extend(sent.pop());
                }
                for (answer, &number) in sent.into_iter().zip(numbers) {
                    match &answer {
                        Value::ServerError(error) if refusal::is_elsewhere(error) => {
                            match redirected(error, &goal.node) {
                                Some(goal) => next.entry(goal).or_default().push(number),
                                None => again.push(number),
                            }
                        }
                        _ => {}
                    }
                    answers[number] = answer;
                }
            }
            let is_done = next.is_empty() && again.is_empty();
            if is_done || Instant::now() >= give_up {
                if let Some(wait) = wait {
                    answers[wait] = fewest(waited);
                }
                return Ok(answers);
            }
            if next.keys().any(|goal| !goal.asking) || !again.is_empty() {
                self.cluster.doubt();
            }
            if !again.is_empty() {
                tokio::time::sleep(Duration::from_millis(MOVING_PAUSE_MS)).await;
                let routes = self.routes(commands, again.into_iter()).await;
                for (goal, numbers) in routes.map_err(|error| open(error, false))? {
                    next.entry(goal).or_default().extend(numbers);
                }
            }
            is_one = false;
            routes = next;
        }
    }

    /// The nodes that have the keys of these commands, as far as is known.
    async fn routes(
        &self,
        commands: &[&Cmd],
        numbers: impl Iterator<Item = usize>,
    ) -> RedisResult<Routes> {
        let map = self.cluster.remembered().await?;
        let mut routes = Routes::new();
        for number in numbers {
            let node = map.owner(slot::of_command(commands[number]))?.clone();
            let goal = Goal {
                node,
                asking: false,
            };
            routes.entry(goal).or_default().push(number);
        }
        Ok(routes)
    }

    /// Sends some of the commands to one node; returns their answers, and that to `WAIT` behind them if it is asked for.
    async fn send_some(
        &self,
        goal: &Goal,
        (commands, whole): (&[&Cmd], Option<&Pipeline>),
        numbers: &[usize],
        wait: Option<usize>,
    ) -> RedisResult<Vec<Value>> {
        let mut node = self.node(&goal.node);
        if let ([number], false, None) = (numbers, goal.asking, wait) {
            let sent = node.req_packed_command(commands[*number]).await;
            let answer = sent.inspect_err(|error| self.broke(error))?;
            return Ok(vec![answer]);
        }
        if let Some(whole) = whole
            && !goal.asking
            && numbers.len() + usize::from(wait.is_some()) == commands.len()
        {
            let sent = node.req_packed_commands(whole, 0, whole.len()).await;
            return sent.inspect_err(|error| self.broke(error));
        }
        let mut pipeline = Pipeline::with_capacity(2 * numbers.len() + 1);
        for &number in numbers {
            if goal.asking {
                pipeline.cmd("ASKING");
            }
            pipeline.add_command(commands[number].clone());
        }
        if let Some(wait) = wait {
            pipeline.add_command(commands[wait].clone());
        }
        let sent = node.req_packed_commands(&pipeline, 0, pipeline.len()).await;
        let sent = sent.inspect_err(|error| self.broke(error))?;
        let is_asked = |at: &usize| goal.asking && at.is_multiple_of(2) && *at < 2 * numbers.len();
        let answers = sent.into_iter().enumerate();
        let answers = answers.filter(|(at, _)| !is_asked(at));
        Ok(answers.map(|(_, answer)| answer).collect())
    }

    /// What a broken connection says of the map.
    fn broke(&self, error: &RedisError) {
        if error.is_io_error() || error.is_unrecoverable_error() {
            self.cluster.doubt();
        }
    }

    /// The connection to a node, which is opened at its first use.
    fn node(&self, node: &Node) -> C {
        // A panic elsewhere leaves whole connections.
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || (self.open)(self.cluster.address(node));
        nodes.entry(node.clone()).or_insert_with(open).clone()
    }

    /// Leaves the nodes that have no slots any more.
    pub async fn leave_others(&self) {
        if let Ok(map) = self.cluster.remembered().await {
            let masters: BTreeSet<&Node> = map.masters().iter().collect();
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            nodes.retain(|node, _| masters.contains(node));
        }
    }
}

/// The error of commands of which others may have been carried out: what it says of its own, that they never left, isn't true of all.
fn open(error: RedisError, is_one: bool) -> RedisError {
    if is_one {
        return error;
    }
    let words = "a part of the commands went to a node of the cluster that doesn't answer";
    (ErrorKind::Io, words, error.to_string()).into()
}

/// The node that has a command's key, as another one says; `None` if it doesn't say.
fn redirected(error: &ServerError, from: &Node) -> Option<Goal> {
    let asking = match error.code() {
        "ASK" => true,
        "MOVED" => false,
        _ => return None,
    };
    let place = error.details()?.split(' ').nth(1)?;
    let node = Node::redirected(place, from)?;
    Some(Goal { node, asking })
}

/// The worst of the answers to `WAIT`.
fn fewest(waited: Vec<Value>) -> Value {
    let rank = |answer: &Value| match answer {
        Value::Int(count) => *count,
        _ => i64::MIN,
    };
    waited.into_iter().min_by_key(rank).unwrap_or_default()
}
