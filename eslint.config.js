import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist/", "coverage/", "node_modules/", "out/", "examples/**/*.js"] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      eqeqeq: "error",
      // An async method turns a throw into a rejection, whether or not it waits for something.
      "@typescript-eslint/require-await": "off",
      "no-console": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
    },
  },
  {
    // What runs once in a step or oftener.
    files: ["src/core/**", "src/actions/**", "src/gateway/**", "src/stores/**", "src/workflow/**"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector: "ObjectExpression > Property[kind=/^[gs]et$/]",
          message:
            "each evaluation makes a hidden class, which keeps alive what the accessor reaches until a full collection: make it a class (close-class.ts)",
        },
      ],
    },
  },
  {
    // Programs of their own, which other processes run as they are: they have no types.
    files: ["bench/**/*.mjs", "examples/**/*.mjs", "tests/**/*.mjs"],
    ...tseslint.configs.disableTypeChecked,
    rules: { ...tseslint.configs.disableTypeChecked.rules, "no-console": "off" },
  },
  {
    files: ["tests/**/*.ts"],
    rules: { "no-console": "off" },
  },
);
