//! Builds of git revisions: each in a work tree of its own, once a commit, with one target folder for all, so that what they have in
//! common is compiled once. Knows git and how to run a build command; not what is built.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::process::Command;

use crate::run::Interrupts;

/// Below the repository's folder.
const FOLDER: &str = "target/ab";
/// Of a commit's name: enough for people and for folders.
const SHORT: usize = 12;

/// A revision that could not be built.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// Not in a repository, or there is no git.
    #[error("revisions need a git repository around the present folder: {0}")]
    NoRepository(String),
    /// No such revision.
    #[error("`{0}` names no commit here; `git fetch` first if it is a remote's")]
    Unknown(String),
    /// git failed.
    #[error("`git {command}` failed: {problem}")]
    Git {
        /// What it was asked.
        command: String,
        /// What it said.
        problem: String,
    },
    /// The build command failed.
    #[error("{revision}: `{build}` ended with {status}; its work tree is left at {tree}")]
    Build {
        /// Of what.
        revision: String,
        /// The command.
        build: String,
        /// How it ended.
        status: ExitStatus,
        /// Where.
        tree: PathBuf,
    },
    /// The build left no program.
    #[error(
        "{revision}: `{build}` left no program at {program}; --built says where it is, below the folder that CARGO_TARGET_DIR names"
    )]
    NoProgram {
        /// Of what.
        revision: String,
        /// The command.
        build: String,
        /// Where it should be.
        program: PathBuf,
    },
    /// The disk.
    #[error("{path}: {error}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Ctrl-C.
    #[error("interrupted while {0} was built")]
    Interrupted(String),
}

/// A repository whose revisions can be built.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
    /// Run by `sh` in the work tree, with `CARGO_TARGET_DIR` set.
    build: String,
    /// What it leaves, below that folder.
    built: PathBuf,
}

/// A program of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The whole name of the commit.
    pub commit: String,
    /// The program, kept for later.
    pub program: PathBuf,
}

impl Built {
    /// `v1.2 (0123456789ab)`.
    pub fn label(&self, revision: &str) -> String {
        let short = &self.commit[..SHORT.min(self.commit.len())];
        match self.commit.starts_with(revision) {
            true => short.to_owned(),
            false => format!("{revision} ({short})"),
        }
    }
}

impl Repository {
    /// The one around this folder.
    ///
    /// # Errors
    /// There is none.
    pub async fn around(
        folder: &Path,
        build: String,
        built: PathBuf,
    ) -> Result<Self, RevisionError> {
        let root = git(folder, &["rev-parse", "--show-toplevel"]).await;
        let root = root.map_err(|e| match e {
            RevisionError::Git { problem, .. } => RevisionError::NoRepository(problem),
            other => other,
        })?;
        let root = PathBuf::from(root);
        Ok(Self { root, build, built })
    }

    /// The commit that a revision names.
    ///
    /// # Errors
    /// It names none.
    pub async fn commit(&self, revision: &str) -> Result<String, RevisionError> {
        let commit = format!("{revision}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
        let arguments = [&arguments[..], &[&commit]].concat();
        let named = git(&self.root, &arguments).await;
        // What stands before the options' end is printed too.
        let named = named.ok().and_then(|n| n.lines().last().map(str::to_owned));
        named.ok_or_else(|| RevisionError::Unknown(revision.to_owned()))
    }

    /// Builds a revision, or finds what was built of its commit by the same command before. The build speaks on standard error.
    ///
    /// # Errors
    /// The revision is unknown, the build fails or is interrupted.
    pub async fn build(
        &self,
        revision: &str,
        interrupts: &mut Interrupts,
    ) -> Result<Built, RevisionError> {
        let commit = self.commit(revision).await?;
        let folder = self.root.join(FOLDER).join(&commit[..SHORT]);
        let (program, note) = (folder.join("program"), folder.join("built-by"));
        let known = std::fs::read_to_string(&note).is_ok_and(|by| by == self.made_by());
        if known && program.is_file() {
            eprintln!("{revision}: built before, {}", program.display());
            return Ok(Built { commit, program });
        }
        let tree = folder.join("source");
        self.remove(&tree).await?;
        disk(&folder, std::fs::create_dir_all(&folder))?;
        let place = tree.to_string_lossy();
        git(
            &self.root,
            &["worktree", "add", "--detach", "--force", &place, &commit],
        )
        .await?;
        eprintln!("{revision}: {} in {}", self.build, tree.display());
        let target = self.root.join(FOLDER).join("target");
        // What another build left there must not pass for this one's.
        let left = target.join(&self.built);
        match std::fs::remove_file(&left) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => disk(&left, Err(e))?,
            _ => {}
        }
        let status = self.run_build(&tree, &target, interrupts).await;
        let Some(status) = disk(&tree, status)? else {
            self.remove(&tree).await?;
            return Err(RevisionError::Interrupted(revision.to_owned()));
        };
        if !status.success() {
            return Err(RevisionError::Build {
                revision: revision.to_owned(),
                build: self.build.clone(),
                status,
                tree,
            });
        }
        if !left.is_file() {
            return Err(RevisionError::NoProgram {
                revision: revision.to_owned(),
                build: self.build.clone(),
                program: left,
            });
        }
        disk(&program, std::fs::copy(&left, &program))?;
        disk(&note, std::fs::write(&note, self.made_by()))?;
        self.remove(&tree).await?;
        Ok(Built { commit, program })
    }

    fn made_by(&self) -> String {
        format!("{}\n{}\n", self.build, self.built.display())
    }

    /// None: interrupted, and whatever it had started is killed.
    async fn run_build(
        &self,
        tree: &Path,
        target: &Path,
        interrupts: &mut Interrupts,
    ) -> std::io::Result<Option<ExitStatus>> {
        let mut child = Command::new("sh")
            .args(["-c", &self.build])
            .current_dir(tree)
            .env("CARGO_TARGET_DIR", target)
            .stdin(Stdio::null())
            // Standard output is for the comparison alone.
            .stdout(std::io::stderr())
            // A group of its own, so that compilers end with it.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id();
        tokio::select! {
            status = child.wait() => status.map(Some),
            () = interrupts.stop() => {
                if let Some(group) = group {
                    let group = format!("-{group}");
                    Command::new("kill").args(["-KILL", "--", &group]).status().await?;
                }
                child.wait().await?;
                Ok(None)
            }
        }
    }

    /// Removes a work tree, if there is one, and git's knowledge of it.
    async fn remove(&self, tree: &Path) -> Result<(), RevisionError> {
        if tree.exists() {
            let place = tree.to_string_lossy();
            let removed = git(&self.root, &["worktree", "remove", "--force", &place]).await;
            if removed.is_err() {
                disk(tree, std::fs::remove_dir_all(tree))?;
            }
        }
        git(&self.root, &["worktree", "prune"]).await.map(drop)
    }
}

fn disk<T>(path: &Path, result: std::io::Result<T>) -> Result<T, RevisionError> {
    result.map_err(|error| RevisionError::Disk {
        path: path.to_owned(),
        error,
    })
}

/// What git prints.
async fn git(folder: &Path, arguments: &[&str]) -> Result<String, RevisionError> {
    let failed = |problem: String| RevisionError::Git {
        command: arguments.join(" "),
        problem,
    };
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|e| failed(e.to_string()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
    }
}
