//! The design files of the history compile, without a warning.

use glock_model::design::Library;

#[test]
fn every_built_in_design_compiles() {
    let library = Library::builtin();
    for name in library.names() {
        let compiled = library
            .load(name)
            .unwrap_or_else(|e| panic!("{name}: {:?}", miette::Report::new(e)));
        assert_eq!(compiled.program.name, name);
        println!("{}", compiled.program.listing());
        assert!(
            compiled.warnings.is_empty(),
            "{name}: {:?}",
            compiled.warnings
        );
    }
}
