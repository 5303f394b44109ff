//! A program in C that makes the calls of a scenario, with markers: what `glock reproduce` prints.
//!
//! It needs nothing but Linux and POSIX threads and runs on any file system, in a directory that it was given
//! and that is empty or that it has used before. Each address space is a process, each task a thread
//! of it.

use glock_model::scenario::{OpKind, Scenario, TaskSpec, VpageKind};
use std::fmt::Write;

/// What every program begins with: it does not depend on the scenario.
const HEAD: &str = r#"#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef O_NOATIME
#define O_NOATIME 0
#endif
#define PAGE 4096

/* Bytes by which a buffer that begins in mid-page is off. */
#define OFF 512

enum op {
	READ, WRITE, FIEMAP, LOAD, STORE, PIPE_READ, PIPE_WRITE, MMAP, MUNMAP, MPROTECT
};
enum flags { DIRECT = 1, APPEND = 2, AIO = 4, UNALIGNED = 8 };
enum kind { SHARED, PRIVATE, ANON, BAD };

struct page { enum kind kind; int file; int page; };
struct region { int process; int count; struct page pages[8]; char *at; };
struct task {
	const char *name, *call;
	int process; enum op op; int flags; int file; int first;
	int region; int offset; int count;
};

static const char *directory;
static pthread_barrier_t *barrier;

static void die(const char *what)
{
	fprintf(stderr, "repro: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void mark(const char *text)
{
	static const char *const markers[] = {
		"/sys/kernel/tracing/trace_marker",
		"/sys/kernel/debug/tracing/trace_marker",
	};
	size_t i, length = strlen(text);

	for (i = 0; i < 2; i++) {
		int fd = open(markers[i], O_WRONLY);
		if (fd >= 0) {
			ssize_t written = write(fd, text, length);
			close(fd);
			if (written == (ssize_t)length)
				return;
		}
	}
	flockfile(stdout);
	printf("%s\n", text);
	fflush(stdout);
	funlockfile(stdout);
}

static char *path_of(const char *name, char *path, size_t size)
{
	if ((size_t)snprintf(path, size, "%s/%s", directory, name) >= size) {
		errno = ENAMETOOLONG;
		die(directory);
	}
	return path;
}

/* Only a directory that is empty, or that this program made its own. */
static void claim_directory(void)
{
	char path[4096];
	struct dirent *entry;
	DIR *dir = opendir(directory);
	int fd;

	if (!dir)
		die(directory);
	path_of(".glock-repro", path, sizeof(path));
	if (access(path, F_OK) != 0) {
		while ((entry = readdir(dir))) {
			if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
				fprintf(stderr, "repro: %s is not empty: give me a "
					"directory to throw away\n", directory);
				exit(2);
			}
		}
		fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0)
			die(path);
		close(fd);
	}
	closedir(dir);
}
"#;

/// What every program ends with.
const TAIL: &str = r#"
static void make_files(void)
{
	char path[4096], data[PAGE];
	int i, j;

	for (i = 0; i < FILES; i++) {
		int fd = open(path_of(files[i].name, path, sizeof(path)),
			      O_CREAT | O_TRUNC | O_RDWR, 0600);
		if (fd < 0)
			die(path);
		if (ftruncate(fd, (off_t)files[i].pages * PAGE))
			die(path);
		for (j = 0; j < files[i].pages; j++) {
			if (files[i].holes >> j & 1)
				continue;
			memset(data, 'a' + (8 * i + j) % 26, PAGE);
			if (pwrite(fd, data, PAGE, (off_t)j * PAGE) != PAGE)
				die(path);
		}
		/* Behind them, with a hole before each: extents to report. */
		for (j = 0; j < files[i].extents; j++)
			if (pwrite(fd, data, PAGE, (off_t)(files[i].pages + 1 + 2 * j) *
				   PAGE) != PAGE)
				die(path);
		if (fsync(fd))
			die(path);
		close(fd);
	}
}

static void name_files(void)
{
	char path[4096], text[8192];
	struct stat stat_buf;
	int i;

	for (i = 0; i < FILES; i++) {
		if (stat(path_of(files[i].name, path, sizeof(path)), &stat_buf))
			die(path);
		snprintf(text, sizeof(text), "FILE %s 2:%llu", files[i].name,
			 (unsigned long long)stat_buf.st_ino);
		mark(text);
	}
}

static int open_file(int file, int flags)
{
	char path[4096];
	int fd;

	path_of(files[file].name, path, sizeof(path));
	fd = open(path, O_RDWR | flags | O_NOATIME);
	if (fd < 0)
		fd = open(path, O_RDWR | flags);
	if (fd < 0)
		die(path);
	return fd;
}

static void map_region(struct region *region)
{
	int i;

	/* With a page in front of it, for what a call wants there. */
	region->at = mmap(NULL, (size_t)(region->count + 1) * PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (region->at == MAP_FAILED || mprotect(region->at, PAGE, PROT_READ | PROT_WRITE))
		die("mmap");
	region->at += PAGE;
	for (i = 0; i < region->count; i++) {
		struct page *page = &region->pages[i];
		int fd = -1, flags = MAP_FIXED;

		if (page->kind == BAD)
			continue;
		if (page->kind == ANON) {
			flags |= MAP_PRIVATE | MAP_ANONYMOUS;
		} else {
			flags |= page->kind == SHARED ? MAP_SHARED : MAP_PRIVATE;
			fd = open_file(page->file, 0);
		}
		if (mmap(region->at + (size_t)i * PAGE, PAGE, PROT_READ | PROT_WRITE,
			 flags, fd, (off_t)page->page * PAGE) == MAP_FAILED)
			die("mmap");
		if (fd >= 0)
			close(fd);
	}
}

/* Asynchronous: the result is what the completion reports. */
static long submit(int command, int fd, char *at, size_t size, off_t off)
{
	struct iocb request = {
		.aio_lio_opcode = (__u16)command,
		.aio_fildes = (__u32)fd,
		.aio_buf = (uintptr_t)at,
		.aio_nbytes = size,
		.aio_offset = off,
	};
	struct iocb *requests[] = { &request };
	struct io_event event;
	aio_context_t context = 0;
	long ret;
	int error;

	if (syscall(SYS_io_setup, 1, &context))
		die("io_setup");
	ret = syscall(SYS_io_submit, context, 1, requests);
	error = errno;
	if (ret == 1) {
		do
			ret = syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
		while (ret < 0 && errno == EINTR);
		if (ret != 1)
			die("io_getevents");
		ret = (long)event.res;
		if (ret < 0) {
			error = (int)-ret;
			ret = -1;
		}
	}
	syscall(SYS_io_destroy, context);
	errno = error;
	return ret;
}

/* The extents go to the buffer, and what precedes them to the page in front of it. */
static long report_extents(int fd, char *at, size_t size)
{
	struct fiemap *map = (struct fiemap *)(void *)(at - sizeof(*map));

	memset(map, 0, sizeof(*map));
	map->fm_length = FIEMAP_MAX_OFFSET;
	map->fm_extent_count = (__u32)(size / sizeof(struct fiemap_extent));
	return ioctl(fd, FS_IOC_FIEMAP, map);
}

static long perform(const struct task *task, int fd, int *pipes, char *at)
{
	size_t i, size = (size_t)task->count * PAGE;
	off_t off = (off_t)task->first * PAGE;
	volatile char *bytes = at;

	if (task->flags & UNALIGNED) {
		at += OFF;
		size -= OFF;
	}
	switch (task->op) {
	case READ:
		if (task->flags & AIO)
			return submit(IOCB_CMD_PREAD, fd, at, size, off);
		return pread(fd, at, size, off);
	case WRITE:
		if (task->flags & AIO)
			return submit(IOCB_CMD_PWRITE, fd, at, size, off);
		if (task->flags & APPEND)
			return write(fd, at, size);
		return pwrite(fd, at, size, off);
	case FIEMAP:
		return report_extents(fd, at, size);
	case LOAD:
		for (i = 0; i < size; i += PAGE)
			(void)bytes[i];
		return 0;
	case STORE:
		for (i = 0; i < size; i += PAGE)
			bytes[i] = '!';
		return 0;
	case PIPE_READ:
		return read(pipes[0], at, size);
	case PIPE_WRITE:
		return write(pipes[1], at, size);
	case MMAP:
		at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
		return at == MAP_FAILED ? -1 : 0;
	case MUNMAP:
		return munmap(at, size);
	case MPROTECT:
		return mprotect(at, size, PROT_NONE);
	}
	return 0;
}

static void *run_task(void *argument)
{
	const struct task *task = argument;
	char text[256], data[PAGE];
	char *at = task->region < 0 ? NULL :
		regions[task->region].at + (size_t)task->offset * PAGE;
	int i, fd = -1, pipes[2] = { -1, -1 };
	long ret;

	if (task->file >= 0)
		fd = open_file(task->file, (task->flags & DIRECT ? O_DIRECT : 0) |
					   (task->flags & APPEND ? O_APPEND : 0));
	if (pipe(pipes))
		die("pipe");
	memset(data, 'p', sizeof(data));
	for (i = 0; i < task->count && task->op == PIPE_READ; i++)
		if (write(pipes[1], data, PAGE) != PAGE)
			die("pipe");
	pthread_barrier_wait(barrier);
	mark(task->call);
	errno = 0;
	ret = perform(task, fd, pipes, at);
	snprintf(text, sizeof(text), "RET %s %ld errno=%d", task->name, ret,
		 ret < 0 ? errno : 0);
	mark(text);
	return NULL;
}

static void run_process(int process)
{
	pthread_t threads[TASKS];
	int i;

	for (i = 0; i < REGIONS; i++)
		if (regions[i].process == process)
			map_region(&regions[i]);
	for (i = 0; i < TASKS; i++)
		if (tasks[i].process == process &&
		    pthread_create(&threads[i], NULL, run_task, (void *)&tasks[i]))
			die("pthread_create");
	for (i = 0; i < TASKS; i++)
		if (tasks[i].process == process)
			pthread_join(threads[i], NULL);
	exit(0);
}

int main(int argc, char **argv)
{
	int i, node = argc > 2 ? atoi(argv[2]) : 1, here = 0, failed = 0;
	pthread_barrierattr_t shared;

	if (argc < 2 || argc > 3 || node < 1 || node > NODES) {
		fprintf(stderr, "usage: %s DIRECTORY%s\n", argv[0],
			NODES > 1 ? " NODE" : "");
		return 2;
	}
	directory = argv[1];
	if (node == 1) {
		claim_directory();
		make_files();
	}
	name_files();
	for (i = 0; i < TASKS; i++)
		here += nodes[tasks[i].process] == node;
	if (!here)
		return 0;
	barrier = mmap(NULL, sizeof(*barrier), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (barrier == MAP_FAILED)
		die("mmap");
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(barrier, &shared, (unsigned)here);
	for (i = 0; i < PROCESSES; i++) {
		pid_t pid;

		if (nodes[i] != node)
			continue;
		pid = fork();
		if (pid < 0)
			die("fork");
		if (!pid)
			run_process(i);
	}
	for (;;) {
		int status;

		if (wait(&status) < 0)
			break;
		failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	}
	return failed;
}
"#;

/// The program for a scenario.
///
/// # Errors
///
/// If it has no task, or something that such a program does not do.
pub fn reproduce(scenario: &Scenario) -> Result<String, String> {
    if scenario.tasks.is_empty() {
        return Err("the scenario has no task".to_owned());
    }
    if let Some(what) = beyond_it(scenario) {
        return Err(format!("the scenario has {what}"));
    }
    let mut regions: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut places = Vec::new();
    // The longest buffers first: others may be a part of them.
    let mut order: Vec<&TaskSpec> = scenario.tasks.iter().collect();
    order.sort_by_key(|task| std::cmp::Reverse(task.buffer.len()));
    for task in order {
        if place(&regions, task).is_none() && !task.buffer.is_empty() {
            regions.push((task.mm, task.buffer.clone()));
        }
    }
    for task in &scenario.tasks {
        places.push(place(&regions, task));
    }
    let mut out = HEAD.to_owned();
    tables(&mut out, scenario, &regions, &places);
    out += TAIL;
    Ok(out)
}

/// What the scenario has that the program does not do, and why.
fn beyond_it(scenario: &Scenario) -> Option<&'static str> {
    scenario.vpages.iter().find_map(|v| match v.kind {
        VpageKind::Io => Some("device memory, and a plain program has no device"),
        VpageKind::Served { .. } => Some(
            "memory whose faults another task serves, and a plain program may not serve those of \
             the kernel (userfaultfd)",
        ),
        _ => None,
    })
}

/// The region of a task's buffer, and where in it.
fn place(regions: &[(u8, Vec<u8>)], task: &TaskSpec) -> Option<(usize, usize)> {
    let length = task.buffer.len().max(1);
    regions.iter().enumerate().find_map(|(index, (mm, pages))| {
        let mut windows = pages.windows(length);
        let at = windows.position(|window| window == task.buffer)?;
        // What precedes the extents must not touch a page of the scenario.
        let fits = at == 0 || task.op != OpKind::Fiemap;
        (*mm == task.mm && fits).then_some((index, at))
    })
}

/// How many extents, of 56 bytes each, a file needs to fill the buffers of those who ask for them.
fn extents(scenario: &Scenario, file: usize) -> usize {
    let asks = |task: &&TaskSpec| task.op == OpKind::Fiemap && task.file as usize == file;
    let pages = scenario.tasks.iter().filter(asks).map(|t| t.buffer.len());
    pages.max().map_or(0, |pages| (pages * 4096).div_ceil(56))
}

macro_rules! put {
    ($out:expr, $($text:tt)*) => {{
        let _ = writeln!($out, $($text)*);
    }};
}

fn tables(
    out: &mut String,
    scenario: &Scenario,
    regions: &[(u8, Vec<u8>)],
    places: &[Option<(usize, usize)>],
) {
    put!(out, "\n#define NODES {}", scenario.nodes);
    put!(out, "#define FILES {}", scenario.files.len());
    put!(out, "#define PROCESSES {}", scenario.mms.len());
    put!(out, "#define REGIONS {}", regions.len());
    put!(out, "#define TASKS {}", scenario.tasks.len());
    put!(
        out,
        "\nstatic const struct {{ const char *name; int pages, holes, extents; }} files[] = {{"
    );
    for (index, file) in scenario.files.iter().enumerate() {
        put!(
            out,
            "\t{{ {:?}, {}, {}, {} }},",
            file.name.to_lowercase(),
            file.size,
            file.holes,
            extents(scenario, index)
        );
    }
    if scenario.files.is_empty() {
        put!(out, "\t{{ \"none\", 0, 0, 0 }},");
    }
    put!(out, "}};\n\n/* The node of each process. */");
    let nodes: Vec<String> = scenario
        .mms
        .iter()
        .map(|mm| (mm.node + 1).to_string())
        .collect();
    put!(
        out,
        "static const int nodes[] = {{ {} }};",
        nodes.join(", ")
    );
    put!(out, "\nstatic struct region regions[] = {{");
    for (mm, pages) in regions {
        let pages: Vec<String> = pages.iter().map(|&v| page(scenario, v)).collect();
        put!(
            out,
            "\t{{ {mm}, {}, {{ {} }}, NULL }},",
            pages.len(),
            pages.join(", ")
        );
    }
    if regions.is_empty() {
        put!(out, "\t{{ -1, 0, {{ {{ BAD, 0, 0 }} }}, NULL }},");
    }
    put!(out, "}};\n\nstatic const struct task tasks[] = {{");
    for (task, place) in scenario.tasks.iter().zip(places) {
        let (region, offset) = place.map_or((-1, 0), |(r, o)| (r as i64, o));
        let file = match task.op.is_io() || matches!(task.op, OpKind::Mmap | OpKind::Fiemap) {
            true => i64::from(task.file),
            false => -1,
        };
        put!(
            out,
            "\t{{ {:?}, {:?},\n\t  {}, {}, {}, {file}, {}, {region}, {offset}, {} }},",
            task.name,
            call(scenario, task),
            task.mm,
            operation(task.op),
            flags(task),
            task.first_page,
            task.buffer.len()
        );
    }
    put!(out, "}};");
}

fn page(scenario: &Scenario, vpage: u8) -> String {
    match scenario.vpages[vpage as usize].kind {
        VpageKind::Shared { file, page } => format!("{{ SHARED, {file}, {page} }}"),
        VpageKind::Private { file, page } => format!("{{ PRIVATE, {file}, {page} }}"),
        VpageKind::Anon | VpageKind::Zero | VpageKind::Io | VpageKind::Served { .. } => {
            "{ ANON, 0, 0 }".to_owned()
        }
        VpageKind::Bad => "{ BAD, 0, 0 }".to_owned(),
    }
}

fn operation(op: OpKind) -> &'static str {
    match op {
        OpKind::DirectRead | OpKind::BufferedRead => "READ",
        OpKind::Fiemap => "FIEMAP",
        OpKind::DirectWrite | OpKind::BufferedWrite => "WRITE",
        OpKind::Load => "LOAD",
        OpKind::Store => "STORE",
        OpKind::PipeRead => "PIPE_READ",
        OpKind::PipeWrite => "PIPE_WRITE",
        OpKind::Mmap => "MMAP",
        OpKind::Munmap => "MUNMAP",
        OpKind::Mprotect => "MPROTECT",
    }
}

fn flags(task: &TaskSpec) -> String {
    let direct = matches!(task.op, OpKind::DirectRead | OpKind::DirectWrite);
    let flags = [
        (direct, "DIRECT"),
        (task.append, "APPEND"),
        (task.aio, "AIO"),
        (task.unaligned, "UNALIGNED"),
    ];
    let set = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name);
    match set.collect::<Vec<_>>() {
        set if set.is_empty() => "0".to_owned(),
        set => set.join(" | "),
    }
}

/// The marker. Of a buffer that is made of several things it says the first; the scenario says all.
/// Calls that `glock conform` does not follow have verbs of their own.
fn call(scenario: &Scenario, task: &TaskSpec) -> String {
    let verb = match task.op {
        OpKind::DirectRead | OpKind::BufferedRead if task.aio => "aio_read",
        OpKind::DirectWrite | OpKind::BufferedWrite if task.aio => "aio_write",
        OpKind::DirectWrite | OpKind::BufferedWrite if task.append => "append",
        OpKind::DirectRead | OpKind::BufferedRead => "read",
        OpKind::DirectWrite | OpKind::BufferedWrite => "write",
        OpKind::PipeRead => "pipe",
        op => op.name(),
    };
    let flags = match task.op {
        OpKind::DirectRead | OpKind::DirectWrite => "direct",
        _ => "buffered",
    };
    let name = |file: u8| scenario.files[file as usize].name.to_lowercase();
    let kinds = task
        .buffer
        .iter()
        .map(|&v| scenario.vpages[v as usize].kind);
    let kinds: Vec<VpageKind> = kinds.collect();
    let bad = kinds.iter().position(|kind| *kind == VpageKind::Bad);
    let first = kinds
        .iter()
        .enumerate()
        .find(|(_, kind)| **kind != VpageKind::Bad);
    let (buffer, page) = match first {
        Some((at, VpageKind::Shared { file, page })) => (
            format!("{}/shared", name(*file)),
            usize::from(*page).saturating_sub(at),
        ),
        Some((at, VpageKind::Private { file, page })) => (
            format!("{}/private", name(*file)),
            usize::from(*page).saturating_sub(at),
        ),
        _ => ("anon/private".to_owned(), 0),
    };
    let file = match scenario.files.is_empty() {
        true => String::new(),
        false => format!(" file={}", name(task.file)),
    };
    format!(
        "CALL {} node={} {verb}{file} flags={flags} buf={buffer} page={page} pages={} bad={} off={}",
        task.name,
        scenario.mms[task.mm as usize].node + 1,
        kinds.len(),
        bad.map_or(-1, |bad| bad as i64),
        task.first_page
    )
}
