/** `stenogram` is linked here from beside it, where it has a React of its own for its tests: a page must have one only. */
export default { esbuild: { jsx: 'automatic' }, resolve: { dedupe: ['react', 'react-dom'] } }
