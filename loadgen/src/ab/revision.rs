//! Builds git revisions: each commit once, in its own work tree, with one target folder for all, so that common dependencies are compiled
//! once. Knows git and how to run a build command, but not what is built.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::process::Command;

use crate::run::Interrupts;
use crate::terminal;

/// The folder for builds, below the repository's root.
const FOLDER: &str = "target/ab";
/// Characters of a commit's hash in labels and folder names.
const SHORT: usize = 12;

/// Why a revision could not be built.
#[derive(Debug, thiserror::Error)]
pub enum RevisionError {
    /// The folder is not in a git repository, or there is no git.
    #[error("revisions need a git repository around the current folder: {0}")]
    NoRepository(String),
    /// The revision does not exist.
    #[error(
        "`{0}` names no commit in this repository; if it is on a remote, run `git fetch` first"
    )]
    Unknown(String),
    /// git failed.
    #[error("`git {command}` failed: {problem}")]
    Git {
        /// The arguments of git.
        command: String,
        /// The output on standard error, or why git did not start.
        problem: String,
    },
    /// The build command failed.
    #[error("{revision}: `{build}` ended with {status}; its work tree is left at {tree}")]
    Build {
        /// The revision.
        revision: String,
        /// The build command.
        build: String,
        /// The exit status of the build command.
        status: ExitStatus,
        /// The work tree.
        tree: PathBuf,
    },
    /// The build did not write the program.
    #[error(
        "{revision}: `{build}` wrote no program at {program}; name its path below CARGO_TARGET_DIR with --built"
    )]
    NoProgram {
        /// The revision.
        revision: String,
        /// The build command.
        build: String,
        /// The expected path of the program.
        program: PathBuf,
    },
    /// A file or folder can't be read or written.
    #[error("{path}: {error}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
    /// The build was interrupted by Ctrl-C.
    #[error("interrupted while {0} was being built")]
    Interrupted(String),
}

/// A repository whose revisions can be built.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
    /// The build command, run by `sh` in the work tree with `CARGO_TARGET_DIR` set.
    build: String,
    /// The path of the program that the build writes, below `CARGO_TARGET_DIR`.
    built: PathBuf,
}

/// The built program of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The full hash of the commit.
    pub commit: String,
    /// The path of the program, which is kept for later experiments.
    pub program: PathBuf,
}

impl Built {
    /// The revision with the short hash, such as `v1.2 (0123456789ab)`.
    pub fn label(&self, revision: &str) -> String {
        let short = &self.commit[..SHORT.min(self.commit.len())];
        match self.commit.starts_with(revision) {
            true => short.to_owned(),
            false => format!("{revision} ({short})"),
        }
    }
}

impl Repository {
    /// The repository around a folder.
    ///
    /// # Errors
    /// There is no repository, or no git.
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
    /// The revision names no commit.
    pub async fn commit(&self, revision: &str) -> Result<String, RevisionError> {
        let commit = format!("{revision}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
        let arguments = [&arguments[..], &[&commit]].concat();
        let named = git(&self.root, &arguments).await;
        // some versions of git also print `--end-of-options`, on a line before the hash.
        let named = named.ok().and_then(|n| n.lines().last().map(str::to_owned));
        named.ok_or_else(|| RevisionError::Unknown(revision.to_owned()))
    }

    /// Builds a revision, or returns the program that the same command built from the same commit before. The build's output goes to standard
    /// error.
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
            terminal::note(&format!("{revision}: built before, {}", program.display()));
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
        let place = tree.display();
        terminal::note(&format!("{revision}: {} in {place}", self.build));
        let target = self.root.join(FOLDER).join("target");
        // The program of another build must not be taken for this one's.
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

    /// Runs the build command; `None` if it was interrupted, after its process group was killed.
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
            // Standard output is reserved for the comparison.
            .stdout(std::io::stderr())
            // A process group of its own, so that compilers are killed with it.
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

    /// Removes a work tree, if it exists, and its entry in git.
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

/// Runs git and returns its output.
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
