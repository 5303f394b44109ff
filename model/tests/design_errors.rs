//! Every mistake a design can have, as the user sees it: line, column, caret
//! and what to write instead.

use glock_model::design::{Compiled, DesignError, Library, compile, source_from_bytes};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

fn load(text: &str) -> Result<Compiled, DesignError> {
    let source = source_from_bytes("mine.design", text.as_bytes())?;
    compile(&source, &Library::builtin())
}

fn render(diagnostic: &dyn Diagnostic) -> String {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(80)
        .with_context_lines(1);
    let mut out = String::new();
    handler.render_report(&mut out, diagnostic).unwrap();
    out.lines().map(|l| format!("{}\n", l.trim_end())).collect()
}

/// All mistakes of a text, one after the other.
fn mistakes(text: &str) -> String {
    let Err(error) = load(text) else {
        panic!("no mistake found in\n{text}");
    };
    error.problems.iter().map(|p| render(p)).collect()
}

/// A design that extends `base` with these lines.
fn mine(lines: &str) -> String {
    format!("design mine\n  extends base\n{lines}")
}

/// As [`mine`], with a direct_read of these lines.
fn direct_read(lines: &str) -> String {
    mine(&format!("\ndirect_read(file, iter):\n{lines}"))
}

fn warnings(text: &str) -> String {
    let compiled = load(text).unwrap_or_else(|e| panic!("{}", render(&e)));
    compiled.warnings.iter().map(|p| render(p)).collect()
}

macro_rules! mistake {
    ($name:ident, $text:expr) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(mistakes(&$text));
        }
    };
}

macro_rules! warning {
    ($name:ident, $text:expr) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(warnings(&$text));
        }
    };
}

macro_rules! accepted {
    ($name:ident, $text:expr) => {
        #[test]
        fn $name() {
            assert_eq!(warnings(&$text), "");
        }
    };
}

// Text and header

mistake!(no_design_line, "fault(file):\n\treturn VM_FAULT_NOPAGE\n");
mistake!(misspelt_design_line, "desing mine\n  extends base\n");
mistake!(misspelt_header_word, "design mine\n  extend base\n");
mistake!(unknown_parent, "design mine\n  extends restart-hak\n");
mistake!(a_design_extends_itself, "design mine\n  extends mine\n");
mistake!(two_parents, mine("  extends restart-hack\n"));
mistake!(unknown_kernel, mine("  kernel v5.17\n"));
mistake!(unknown_entry_admits, mine("  admits short buffered_raed\n"));
mistake!(missing_entries, "design mine\n  \"Nothing yet.\"\n");
mistake!(string_without_end, mine("  \"Some text\n"));
mistake!(comment_without_end, mine("  /* and so on\n"));
mistake!(
    header_line_below_a_function,
    mine("mmap(file):\n return 0\nkernel v5.16\n")
);
mistake!(
    statement_outside_a_function,
    mine("gfs2_glock_nq file SH\n")
);
mistake!(
    function_written_twice,
    mine("mmap(file):\n return 0\nmmap(file):\n return 0\n")
);
mistake!(wrong_parameters, mine("mmap(file, iter):\n return 0\n"));
mistake!(colon_forgotten, mine("mmap(file)\n return 0\n"));
mistake!(
    braces_and_semicolons,
    direct_read(" if (ret < 0) {\n  return 0;\n }\n")
);
mistake!(
    c_operators,
    direct_read(
        " ret = 0\n if ret == 0 && 1 goto a\n if !ret goto a\n if iter->count goto a\n if ret = 0 goto a\na:\n return ret\n"
    )
);

// Statements and arguments

mistake!(
    unknown_statement,
    direct_read(" glock_nq file DF\n gfs2_glock_dp file\n return 0\n")
);
mistake!(
    statement_of_another_kernel,
    direct_read(" gfs2_holder_init file\n return 0\n")
);
mistake!(
    no_mode,
    direct_read(" gfs2_glock_nq file\n gfs2_glock_dq file\n return 0\n")
);
mistake!(
    not_a_mode,
    direct_read(" gfs2_glock_nq file UN\n gfs2_glock_dq file\n return 0\n")
);
mistake!(
    unknown_option,
    direct_read(" gfs2_glock_nq file DF tyr\n gfs2_glock_dq file\n return 0\n")
);
mistake!(
    else_without_try,
    direct_read(" gfs2_glock_nq file DF else out\n gfs2_glock_dq file\nout:\n return 0\n")
);
mistake!(
    iterator_for_a_file,
    direct_read(" gfs2_glock_nq iter DF\n gfs2_glock_dq file\n return 0\n")
);
mistake!(
    file_for_an_iterator,
    direct_read(" ret = iomap_dio_rw file file\n return ret\n")
);
mistake!(
    file_as_a_value,
    direct_read(" if file goto a\na:\n return 0\n")
);
mistake!(
    argument_too_many,
    direct_read(" gfs2_glock_dq file SH\n return 0\n")
);
mistake!(
    no_result,
    direct_read(" ret = gfs2_glock_dq file\n return ret\n")
);
mistake!(
    comma_between_words,
    direct_read(" ret = iomap_dio_rw file, iter\n return ret\n")
);
mistake!(unknown_error_code, direct_read(" return -EFUALT\n"));
mistake!(number_too_large, direct_read(" return 4096\n"));
mistake!(
    iterator_field,
    direct_read(" iter.nofualt = 1\n return iter.length\n")
);
mistake!(
    minus_without_blanks,
    direct_read(" a = 1\n a = a-a\n return a\n")
);
mistake!(
    assignment_to_a_constant,
    direct_read(" SH = 1\n return 0\n")
);

// Labels and paths

mistake!(
    undefined_label,
    direct_read(
        " ret = 0\nretry:\n ret = iomap_dio_rw file iter\n if ret == -EAGAIN goto rety\n return ret\n"
    )
);
mistake!(
    duplicate_label,
    direct_read("a:\n ret = iomap_dio_rw file iter\n if ret goto a\na:\n return ret\n")
);
mistake!(
    falls_off_the_end,
    direct_read(" ret = iomap_dio_rw file iter\n if ret == -EFAULT return 0\n")
);
mistake!(
    unreachable_statement,
    direct_read(" goto out\n ret = iomap_dio_rw file iter\n return ret\nout:\n return 0\n")
);
mistake!(statement_behind_a_label, direct_read("out: return 0\n"));
mistake!(empty_function, direct_read(""));
warning!(label_nobody_uses, direct_read("restart:\n return 0\n"));

// Variables, flags, counters

mistake!(
    variable_never_set,
    direct_read(" ret = iomap_dio_rw file iter\n if rte < 0 return 0\n return ret\n")
);
mistake!(
    variable_not_set_on_a_path,
    direct_read(
        " if iter.count goto go\n return ret\ngo:\n ret = iomap_dio_rw file iter\n return ret\n"
    )
);
mistake!(
    undeclared_flag,
    direct_read(" ret = iomap_dio_rw file iter\n if restart_hack return 0\n return ret\n")
);
mistake!(
    flag_never_read,
    mine("task flag again\n\nmmap(file):\n again = 1\n return 0\n")
);
mistake!(
    flag_never_set,
    mine("task flag again\n\nmmap(file):\n again = 0\n if again return -EFAULT\n return 0\n")
);
mistake!(
    flag_out_of_range,
    mine("task flag again\n\nmmap(file):\n again = 2\n if again return -EFAULT\n return 0\n")
);
mistake!(
    unbounded_counter,
    direct_read(
        " tries = 0\nretry:\n ret = iomap_dio_rw file iter\n tries += 1\n if ret == -EFAULT and tries < 3 goto retry\n return ret\n"
    )
);
mistake!(counter_without_max, mine("task counter tries\n"));
mistake!(counter_too_large, mine("task counter tries max 9\n"));
mistake!(
    flag_declared_twice,
    mine("task flag again\ntask flag again\n")
);
warning!(flag_not_used, mine("task flag again\n"));
accepted!(
    bounded_counter,
    mine(
        "task counter tries max 2\n\ndirect_read(file, iter):\n tries = 0\nretry:\n ret = iomap_dio_rw file iter\n tries += 1\n if ret == -EFAULT and tries < 2 goto retry\n return ret\n"
    )
);

// Helpers

mistake!(
    recursion,
    mine(
        "again(file):\n ret = again file\n return ret\n\nmmap(file):\n ret = again file\n return ret\n"
    )
);
mistake!(
    mutual_recursion,
    mine(
        "a(file):\n ret = b file\n return ret\nb(file):\n ret = a file\n return ret\n\nmmap(file):\n ret = a file\n return ret\n"
    )
);
mistake!(
    helper_arguments,
    mine("twice(x):\n return x + x\n\nmmap(file):\n ret = twice(1, 2)\n return ret\n")
);
mistake!(
    parameter_set,
    mine("twice(x):\n x = x + x\n return x\n\nmmap(file):\n ret = twice(1)\n return ret\n")
);
warning!(helper_nobody_calls, mine("twice(x):\n return x + x\n"));
accepted!(
    helper_changes_its_caller,
    mine(
        "twice(x):\n x += x\n return 0\n\nmmap(file):\n n = 1\n twice(&n)\n if n == 2 return 0\n return -EFAULT\n"
    )
);

// Places

mistake!(
    filemap_fault_outside_fault,
    direct_read(" ret = filemap_fault file\n return ret\n")
);
mistake!(
    transfer_in_fault,
    mine(
        "fault(file):\n pagefault_disable\n pagefault_enable\n inode_lock file\n inode_unlock file\n return VM_FAULT_NOPAGE\n"
    )
);
mistake!(
    errno_from_fault,
    mine(
        "fault(file):\n gfs2_glock_nq file SH try else refused\n ret = filemap_fault file\n gfs2_glock_dq file\n return ret\nrefused:\n return -EAGAIN\n"
    )
);
mistake!(
    fault_code_from_read,
    direct_read(" return VM_FAULT_RETRY\n")
);
mistake!(nothing_returned, direct_read(" return\n"));
warning!(
    refusal_as_byte_count,
    direct_read(
        " ret = gfs2_glock_nq file DF try\n if ret goto out\n ret = iomap_dio_rw file iter\n gfs2_glock_dq file\nout:\n return ret\n"
    )
);

mistake!(
    fault_in_that_reads_by_gup,
    mine(
        "\ndirect_write(file, iter):\n left = fault_in_iov_iter_readable iter iter.count gup\n return left\n"
    )
);
mistake!(
    an_option_of_another_operation,
    direct_read(" ret = iomap_dio_rw file iter hole_efault fast whole_chunks\n return ret\n")
);
mistake!(
    an_option_for_a_variable,
    direct_read(" coarse = 1\n return coarse\n")
);

// What is taken must be given back

mistake!(
    glock_never_released,
    direct_read(" gfs2_glock_nq file DF\n ret = iomap_dio_rw file iter\n return ret\n")
);
mistake!(
    glock_kept_on_one_path,
    direct_read(
        " gfs2_glock_nq file DF\n ret = iomap_dio_rw file iter\n if ret == -EFAULT goto out\n gfs2_glock_dq file\nout:\n return ret\n"
    )
);
mistake!(
    glock_taken_twice,
    direct_read(
        "retry:\n gfs2_glock_nq file DF\n ret = iomap_dio_rw file iter\n if ret == -EFAULT goto retry\n gfs2_glock_dq file\n return ret\n"
    )
);
mistake!(
    glock_released_untaken,
    direct_read(
        " gfs2_glock_nq file DF try else out\n ret = iomap_dio_rw file iter\n gfs2_glock_dq file\n return ret\nout:\n gfs2_glock_dq file\n return 0\n"
    )
);
mistake!(
    refusal_forgotten,
    direct_read(
        " ret = gfs2_glock_nq file DF try\n if ret == -EAGAIN return 0\n ret = iomap_dio_rw file iter\n gfs2_glock_dq file\n return ret\n"
    )
);
mistake!(
    refusal_ignored,
    direct_read(
        " gfs2_glock_nq file DF try\n ret = iomap_dio_rw file iter\n gfs2_glock_dq file\n return ret\n"
    )
);
mistake!(
    refusal_overwritten,
    direct_read(
        " ret = gfs2_glock_nq file DF try\n ret = iomap_dio_rw file iter\n gfs2_glock_dq file\n return ret\n"
    )
);
mistake!(hook_keeps_the_glock, mine("iomap_end(file):\n return 0\n"));
mistake!(
    hook_releases_untaken,
    mine("iomap_begin(file):\n return 0\n")
);
mistake!(
    inode_kept_locked,
    mine(
        "buffered_write(file, iter):\n inode_lock file\n ret = iomap_file_buffered_write file iter\n if ret == -EFAULT return ret\n inode_unlock file\n return ret\n"
    )
);
mistake!(
    inode_locked_twice,
    mine(
        "buffered_write(file, iter):\n inode_lock file\n inode_lock file\n inode_unlock file\n inode_unlock file\n return 0\n"
    )
);
mistake!(
    faults_kept_disabled,
    direct_read(" pagefault_disable\n ret = iomap_dio_rw file iter\n return ret\n")
);
mistake!(
    faults_enabled_twice,
    direct_read(" pagefault_enable\n return 0\n")
);
mistake!(
    nofault_kept,
    direct_read(" iter.nofault = 1\n ret = iomap_dio_rw file iter\n return ret\n")
);
mistake!(
    records_outside_of_fiemap,
    direct_read(" iter.mapped = 0\n ret = iomap_fiemap file iter\n return ret\n")
);
mistake!(
    records_counted_by_hand,
    mine("fiemap(file, iter):\n iter.mapped = 1\n ret = iomap_fiemap file iter\n return ret\n")
);
mistake!(
    pins_kept,
    direct_read(
        " ret = pin_user_pages iter iter.count\n if ret < 0 return ret\n ret = iomap_dio_rw file iter\n return ret\n"
    )
);
mistake!(
    page_kept_locked,
    mine("fault(file):\n ret = filemap_fault file\n return VM_FAULT_NOPAGE\n")
);
mistake!(
    no_page_behind_the_answer,
    mine("fault(file):\n return VM_FAULT_LOCKED\n")
);
mistake!(
    local_spin,
    mine(
        "task flag again\n\ndirect_read(file, iter):\n ret = iomap_dio_rw file iter\n again = 1\nwait:\n if again goto wait\n return ret\n"
    )
);
accepted!(
    result_of_the_request_tested_later,
    direct_read(
        " err = gfs2_glock_nq file DF try\n ret = 0\n if err == GLR_TRYFAILED goto transfer_done\n ret = iomap_dio_rw file iter\ntransfer_done:\n if err != GLR_TRYFAILED gfs2_glock_dq file\n return ret\n"
    )
);
accepted!(
    release_guarded_by_a_flag,
    mine(
        "task flag locked\n\ndirect_read(file, iter):\n locked = 0\n ret = 0\n gfs2_glock_nq file DF try else out\n locked = 1\nout:\n if locked gfs2_glock_dq file\n return ret\n"
    )
);
accepted!(
    release_guarded_by_the_holder,
    direct_read(
        " ret = 0\n gfs2_glock_nq file DF try else out\n ret = iomap_dio_rw file iter\nout:\n if held file != UN gfs2_glock_dq file\n return ret\n"
    )
);
accepted!(
    unlock_page_before_another_answer,
    mine(
        "fault(file):\n gfs2_glock_nq file SH\n ret = filemap_fault file\n gfs2_glock_dq file\n if ret != VM_FAULT_LOCKED return ret\n unlock_page\n return VM_FAULT_NOPAGE\n"
    )
);
warning!(
    release_that_depends_on_two_variables,
    direct_read(
        " gfs2_glock_nq file DF\n a = iomap_dio_rw file iter\n b = a\n if a > 0 gfs2_glock_dq file\n if b > 0 return b\n gfs2_glock_dq file\n return a\n"
    )
);

// Size

mistake!(
    condition_too_deep,
    direct_read(&format!(
        " if {}1{} return 0\n return 1\n",
        "(".repeat(40),
        ")".repeat(40)
    ))
);

#[test]
fn helpers_that_multiply_are_refused() {
    let mut text = mine("h0(file):\n gfs2_glock_nq file SH\n gfs2_glock_dq file\n return 0\n");
    for i in 1..14 {
        let call = format!(" h{}(file)\n", i - 1);
        text += &format!("h{i}(file):\n{call}{call}{call}{call} return 0\n");
    }
    text += "mmap(file):\n h13(file)\n return 0\n";
    insta::assert_snapshot!(mistakes(&text));
}

#[test]
fn too_many_variables_at_a_time() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let set: String = names
        .iter()
        .map(|n| format!(" {n} = iter.count\n"))
        .collect();
    let read: String = names
        .iter()
        .map(|n| format!(" if {n} return {n}\n"))
        .collect();
    insta::assert_snapshot!(mistakes(&direct_read(&format!("{set}{read} return 0\n"))));
}

// Files

fn file_error(bytes: &[u8]) -> String {
    render(&source_from_bytes("mine.design", bytes).expect_err("not a design"))
}

#[test]
fn a_file_that_is_empty() {
    insta::assert_snapshot!(file_error(b" \n\n"));
}

#[test]
fn a_file_that_is_not_utf8() {
    insta::assert_snapshot!(file_error(
        "design mine\n  \"\u{e4}bc\" x"
            .as_bytes()
            .split_last()
            .map(|_| b"design mine\n  \"\xc3\xa4b\xff\"".as_slice())
            .unwrap()
    ));
}

#[test]
fn a_file_that_is_huge() {
    insta::assert_snapshot!(file_error(&vec![b'#'; (1 << 20) + 1]));
}

#[test]
fn a_line_that_is_too_long() {
    insta::assert_snapshot!(mistakes(&mine(&"a".repeat(70_000))));
}

#[test]
fn a_file_that_is_not_there() {
    let error = Library::builtin()
        .load("nowhere/mine.design")
        .expect_err("no file");
    insta::assert_snapshot!(render(&error));
}

#[test]
fn a_name_that_is_not_known() {
    let error = Library::builtin()
        .load("fault-in-rety")
        .expect_err("no design");
    insta::assert_snapshot!(render(&error));
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once() {
    let text =
        direct_read(" glock_nq file DF\n ret = iomap_dio_rw file\n if ret goto out\n return rte\n");
    let error = load(&text).expect_err("four mistakes");
    assert_eq!(error.problems.len(), 4);
    insta::assert_snapshot!(render(&error));
}

// ---- weak holders and holders that are queued again -------------------------------

/// A direct_read of these lines under the rules of v5.16.
fn since_v5_16(lines: &str) -> String {
    mine(&format!(
        "  kernel v5.16\ndirect_read(file, iter):\n{lines}"
    ))
}

mistake!(
    weak_holder_in_v5_12,
    direct_read(
        " gfs2_glock_nq file DF\n gfs2_holder_allow_demote file\n \
         gfs2_holder_disallow_demote file\n if gfs2_holder_queued file gfs2_glock_dq file\n \
         return 0\n"
    )
);
mistake!(
    demotion_allowed_without_a_holder,
    since_v5_16(" gfs2_holder_allow_demote file\n gfs2_holder_disallow_demote file\n return 0\n")
);
mistake!(
    demotion_disallowed_untaken,
    since_v5_16(
        " gfs2_glock_nq file DF\n gfs2_holder_disallow_demote file\n gfs2_glock_dq file\n \
         return 0\n"
    )
);
mistake!(
    weak_holder_released_untested,
    since_v5_16(
        " gfs2_glock_nq file DF\n gfs2_holder_allow_demote file\n \
         gfs2_holder_disallow_demote file\n gfs2_glock_dq file\n return 0\n"
    )
);
mistake!(
    weak_holder_kept,
    since_v5_16(
        " gfs2_glock_nq file DF\n gfs2_holder_allow_demote file\n \
         gfs2_holder_disallow_demote file\n return 0\n"
    )
);
mistake!(
    holder_asked_for_in_a_fault_handler,
    mine(
        "fault(file):\n if gfs2_holder_queued file return VM_FAULT_SIGBUS\n \
         return VM_FAULT_NOPAGE\n"
    )
);
mistake!(
    requeued_in_a_fault_handler,
    mine(
        "fault(file):\n gfs2_glock_nq file SH requeue\n gfs2_glock_dq file\n return VM_FAULT_NOPAGE\n"
    )
);
mistake!(unknown_rule, mine("  kernel may_grant v5.16, weka v6.0\n"));
mistake!(rule_of_another_version, mine("  kernel weak v5.18\n"));

// ---- readpage ------------------------------------------------------------------------

mistake!(
    readpage_keeps_the_page,
    mine("readpage(file):\n gfs2_glock_nq file SH\n gfs2_glock_dq file\n return 0\n")
);
mistake!(
    readpage_keeps_the_glock,
    mine("readpage(file):\n gfs2_glock_nq file SH\n mpage_readpage file\n return 0\n")
);
mistake!(
    page_read_unlocked,
    mine("readpage(file):\n unlock_page\n mpage_readpage file\n return 0\n")
);
mistake!(
    page_read_outside_readpage,
    mine("fault(file):\n mpage_readpage file\n return VM_FAULT_NOPAGE\n")
);
mistake!(
    page_truncated_outside_readpage,
    direct_read(" return AOP_TRUNCATED_PAGE\n")
);
mistake!(
    partial_and_rewind,
    direct_read(" ret = iomap_dio_rw file iter partial rewind\n return ret\n")
);
