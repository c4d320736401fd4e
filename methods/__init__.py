"""The methods that ship with the benchmark, one folder each; they use its public interface only."""
