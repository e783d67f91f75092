// Loads cel-js when the first `when` is compiled and not before: it costs a process over 1 MiB, and most sidecars have
// no expression. CommonJS, since only `require` loads something later without waiting; bundlers keep it so.
exports.loadCel = () => require('@marcbachmann/cel-js');
