package io.sparkweld.spark

/**
 * States which Spark a jar runs on. It refers to no class of Spark, so it also works on a Spark where the others cannot be loaded.
 *
 * @param line the line that the jar was built against, such as `4.3`
 * @param tested whether all tests pass on this line; on another one the plugin is inactive, except for experiments
 */
abstract class SparkVersion(val line: String, val tested: Boolean) {

  /** Whether the jar runs on this version of Spark. */
  final def supports(version: String): Boolean = version.startsWith(line + ".")
}
