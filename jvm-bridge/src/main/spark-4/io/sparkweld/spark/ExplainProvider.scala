package io.sparkweld
package spark

import org.apache.spark.sql.ExtendedExplainGenerator

/** Adds text to Spark's `explain`. */
trait ExplainProvider extends ExtendedExplainGenerator
