export type Update<S> = S | ((previous: S) => S);
export function useState<S>(initial: S | (() => S)): [S, (next: Update<S>) => void];
export function useEffect(effect: () => void | (() => void), inputs?: readonly unknown[]): void;
export function useLayoutEffect(effect: () => void | (() => void), inputs?: readonly unknown[]): void;
export function useRef<T>(initial: T): { current: T };
export function useMemo<T>(make: () => T, inputs: readonly unknown[]): T;
export function useCallback<T extends (...args: never[]) => unknown>(callback: T, inputs: readonly unknown[]): T;
export function useErrorBoundary(caught?: (error: unknown) => void): [unknown, () => void];
export function useId(): string;
